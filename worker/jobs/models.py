"""The models of a job: the active one, another one, or several that share an encoder."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select

from common.errors import ModelError, UsageError
from common.pictures.sources import PictureKinds
from common.store.model_names import ModelName
from common.store.tables import ModelStage, PictureChoice, PromotedModel, RegisteredEncoder

MOST_MODELS = 16  # of a job


@dataclass(frozen=True, kw_only=True)
class JobModels:
    """Models that look at a picture once for all of them.

    `trained_on` says for each which pictures it was trained on, None where nobody knows.
    """

    ids: tuple[int, ...]
    titles: tuple[str, ...]
    trained_on: tuple[str | None, ...]

    def pictures(self, looks_at: PictureChoice) -> PictureKinds:
        """What the job looks at, and what the model was trained on to which that matters most."""
        kinds = [PictureKinds(looks_at=looks_at, trained_on=each) for each in self.trained_on]
        return next((each for each in kinds if each.differ), kinds[0])


def find_models(connection: Connection, names: Sequence[str]) -> JobModels:
    """The models of these names, NAME for the newest version; without a name the active model.

    Raises:
        ModelError: there is no such model, or no model is active.
        UsageError: a name is malformed, or the models are not on one encoder.
    """
    if len(names) > MOST_MODELS:
        raise UsageError(f"{len(names)} models are too many for a job; {MOST_MODELS} are allowed.")
    rows = [_find(connection, name) for name in names or (None,)]
    models = list({row.id: row for row in rows}.values())
    titles = tuple(ModelName(each.name, each.version).title for each in models)
    if len(models) > 1:
        _check_same_encoder(titles, [each.encoder for each in models])
    return JobModels(
        ids=tuple(each.id for each in models),
        titles=titles,
        trained_on=tuple(each.picture_source for each in models),
    )


def _find(connection: Connection, name: str | None) -> Row[int, str, int, str | None, str | None]:
    is_active = PromotedModel.stage == ModelStage.ACTIVE
    condition = is_active if name is None else ModelName.parse(name).condition
    found = (
        select(
            PromotedModel.id,
            PromotedModel.name,
            PromotedModel.version,
            PromotedModel.picture_source,
            RegisteredEncoder.name.label("encoder"),
        )
        .outerjoin(RegisteredEncoder, RegisteredEncoder.id == PromotedModel.encoder_id)
        .where(condition)
    )
    newest = found.order_by(PromotedModel.version.desc()).limit(1)
    model = connection.execute(newest).one_or_none()
    if model is not None:
        return model
    if name is None:
        raise ModelError("No model is active; promote one: trainer promote EXPERIMENT")
    raise ModelError(f"There is no model {name}; see: trainer models list")


def _check_same_encoder(titles: Sequence[str], encoders: Sequence[str | None]) -> None:
    if None not in encoders and len(set(encoders)) == 1:
        return
    told = [
        f"{title} is on {f'the encoder {encoder}' if encoder else 'no encoder'}"
        for title, encoder in zip(titles, encoders, strict=True)
    ]
    raise UsageError(
        f"The models of one job must be on one encoder: {'; '.join(told)}. Enqueue a job for each."
    )
