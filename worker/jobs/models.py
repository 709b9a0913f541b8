"""The models of a job: the active one, another one, or several that share an encoder.

A job that names no model takes for each record the model in service for its data provider, as far
as that is on the same encoder as the active one: so a picture is looked at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, Row, select, text

from common.errors import ModelError, UsageError
from common.pictures.sources import PictureKinds
from common.store.model_names import ModelName, version_meant
from common.store.tables import ModelStage, PictureChoice, PromotedModel, RegisteredEncoder
from common.vision.answers.provider_names import provider_name

MOST_MODELS = 16  # that a job may name
NAMED = 3  # data providers of a model; of more than these only the number is told
CHEAP = 100_000  # records of a job whose data providers are looked up


@dataclass(frozen=True, kw_only=True)
class JobModels:
    """Models that look at a picture once for all of them.

    `trained_on` says for each which pictures it was trained on, None where nobody knows. `routes`
    has the number of the model that serves a data provider; the first model serves all others.
    Without routes all models answer for each record.
    """

    ids: tuple[int, ...]
    titles: tuple[str, ...]
    trained_on: tuple[str | None, ...]
    routes: Mapping[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """All of them, with the data providers that they serve."""
        return title_of(self.ids, self.titles, self.routes)

    def pictures(self, looks_at: PictureChoice) -> PictureKinds:
        """What the job looks at, and what the model was trained on to which that matters most."""
        kinds = [PictureKinds(looks_at=looks_at, trained_on=each) for each in self.trained_on]
        return next((each for each in kinds if each.differ), kinds[0])


def title_of(ids: Sequence[int], titles: Sequence[str], routes: Mapping[str, int] | None) -> str:
    """The models of a job in words: `vases v3, and vases v4 for Louvre` if it has routes."""
    if not routes:
        return ", ".join(titles)
    (_, first), *others = zip(ids, titles, strict=True)
    served = (f", and {title} for {_served(routes, model_id)}" for model_id, title in others)
    return "".join([first, *served])


def _served(routes: Mapping[str, int], model_id: int) -> str:
    names = sorted(name for name, served_by in routes.items() if served_by == model_id)
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} data providers"


def find_models(connection: Connection, names: Sequence[str]) -> JobModels:
    """The models of these names, as `version_meant` has them; without a name the active model.

    Raises:
        UsageError: there is no such model, or a name alone may mean several.
        ModelError: no model is active.
        UsageError: a name is malformed, or the models are not on one encoder.
    """
    if len(names) > MOST_MODELS:
        raise UsageError(
            f"{len(names)} models are too many for a job. At most {MOST_MODELS} are possible."
        )
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


_IN_SERVICE = text("""
    SELECT service.data_provider, model.id, model.name, model.version, model.picture_source
    FROM service JOIN model ON model.id = service.model_id
    JOIN model AS usual ON usual.id = :model_id AND usual.encoder_id = model.encoder_id
    WHERE service.ended_at IS NULL AND service.data_provider IS NOT NULL AND model.id <> usual.id
    ORDER BY model.id, service.id
""")
_OCCURRING = text("""
    SELECT DISTINCT record.id IS NULL AS is_unknown, record.data_provider
    FROM submitted LEFT JOIN record_alias AS alias ON alias.old_id = submitted.record_id
    LEFT JOIN record ON record.id = coalesce(alias.record_id, submitted.record_id)
""")


def with_routes(connection: Connection, models: JobModels, *, submitted: int) -> JobModels:
    """The active model, and those in service for data providers of the table `submitted`.

    All that are in service count if there are more than CHEAP records, or such as the store does
    not know yet.
    """
    rows = connection.execute(_IN_SERVICE, {"model_id": models.ids[0]}).all()
    if rows and submitted <= CHEAP:
        found = connection.execute(_OCCURRING).all()
        if not any(each.is_unknown for each in found):
            occurring = {provider_name(each.data_provider or "") for each in found}
            rows = [row for row in rows if provider_name(row.data_provider) in occurring]
    added = {row.id: row for row in rows}
    titles = (ModelName(each.name, each.version).title for each in added.values())
    return replace(
        models,
        ids=(*models.ids, *added),
        titles=(*models.titles, *titles),
        trained_on=(*models.trained_on, *(each.picture_source for each in added.values())),
        routes={provider_name(row.data_provider): row.id for row in rows},
    )


def _find(connection: Connection, name: str | None) -> Row[int, str, int, str | None, str | None]:
    condition = PromotedModel.stage == ModelStage.ACTIVE
    if name is not None:
        condition = version_meant(connection, ModelName.parse(name)).condition
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
    model = connection.execute(found).one_or_none()
    if model is not None:
        return model
    if name is None:
        raise ModelError(
            "No model serves all records. Put one in service: trainer models activate MODEL, or "
            "trainer promote EXPERIMENT --activate"
        )
    raise UsageError(f"There is no model {name}. List models: trainer models list")


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
