"""The models of a job: the active one or another one, and those that its records have routes to.

A job that names no model takes for each record the model in service for its data provider, as far
as that is on the same encoder as the active one: so a picture is looked at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select, text

from common.errors import ModelError, UnknownModelError, UsageError
from common.pictures.sources import PictureKinds
from common.store.model_names import ModelName, version_meant
from common.store.tables import ModelStage, PictureChoice, PromotedModel
from common.vision.answers.provider_names import provider_name

ONE_MODEL = (
    "A job has one model. Enqueue the records for the first model. When this job is done, "
    "enqueue them for the next model. If both models use the same encoder, the second job "
    "reads the saved embeddings."
)
NAMED = 3  # data providers of a model; of more than these only the number is shown
CHEAP = 100_000  # records of a job whose data providers are looked up


@dataclass(frozen=True, kw_only=True)
class JobModels:
    """The model of a job, and those that serve data providers in its place.

    `trained_on` says for each which pictures it was trained on, None if that is unknown. `routes`
    has the number of the model that serves a data provider; the first model serves all others.
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
    (_, first), *others = zip(ids, titles, strict=True)
    served = (f", and {title} for {_served(routes or {}, model_id)}" for model_id, title in others)
    return "".join([first, *served])


def _served(routes: Mapping[str, int], model_id: int) -> str:
    names = sorted(name for name, served_by in routes.items() if served_by == model_id)
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} data providers"


def one_model(names: Sequence[str]) -> str | None:
    """The name, if one is given; raises UsageError: several are."""
    if len(names) > 1:
        raise UsageError(ONE_MODEL)
    return next(iter(names), None)


def find_model(connection: Connection, name: str | None) -> JobModels:
    """The model of this name, as `version_meant` has it; without a name the active one.

    Raises:
        UnknownModelError: there is no such model.
        UsageError: the name alone may mean several models, or it is malformed.
        ModelError: no model is active.
    """
    condition = PromotedModel.stage == ModelStage.ACTIVE
    if name is not None:
        condition = version_meant(connection, ModelName.parse(name)).condition
    model = connection.execute(
        select(
            PromotedModel.id,
            PromotedModel.name,
            PromotedModel.version,
            PromotedModel.picture_source,
        ).where(condition)
    ).one_or_none()
    if model is not None:
        return JobModels(
            ids=(model.id,),
            titles=(ModelName(model.name, model.version).title,),
            trained_on=(model.picture_source,),
        )
    if name is not None:
        raise UnknownModelError(f"There is no model {name}. List models: trainer models list")
    raise ModelError(
        "No model serves all records. Put one in service: trainer models activate MODEL, or "
        "trainer promote EXPERIMENT --activate"
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
