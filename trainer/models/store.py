"""Models in the store: the rows, and which model serves. This module loads no torch."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, literal_column, select, update

from common.errors import ModelError
from common.process.terminal.user_name import user_name
from common.store.in_service import STANDING, begin_service, lock_models, retire, serving
from common.store.model_names import ModelName
from common.store.session import allow_pauses
from common.store.tables import (
    Audit,
    KeptVocabulary,
    ModelService,
    PromotedModel,
    RegisteredEncoder,
    TrainingRun,
)
from common.store.vocabularies import vocabulary_of_model
from common.vision.bundle import Description

TAUGHT_FROM = "taught_from"  # in the origin of a taught model: the model it is made from
VOCABULARY = "vocabulary"  # in the origin of a model: the vocabulary that its training named


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """A model in the store; `is_new` is False if the same bundle was promoted before.

    `taken_out` are data providers whose own models went out of service at its promotion, since
    these are on another encoder.
    """

    name: str
    version: int
    path: str
    is_new: bool
    taken_out: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return ModelName(self.name, self.version).title


def add_model(
    engine: Engine,
    description: Description,
    *,
    name: str,
    sha256: str,
    place: Callable[[str], None],
    active: bool,
) -> Promoted:
    """Add a model unless the store has it, in one transaction.

    Args:
        place: puts the bundle at a path below MODEL_DIR. It is called before the commit, so that
            each model has its bundle.
        active: whether it is put in service for all records.

    Raises:
        ModelError: the store lacks its encoder.
    """
    with engine.begin() as connection:
        lock_models(connection)
        promoted = _known(connection, sha256) or _next(connection, name)
        encoder_id = _encoder_id(connection, description.encoder)  # before the bundle is placed
        allow_pauses(connection)  # the disk may be slow
        place(promoted.path)
        if promoted.is_new:
            _insert(connection, description, promoted, sha256=sha256, encoder_id=encoder_id)
        if active:
            known = select(PromotedModel.id).where(PromotedModel.sha256 == sha256)
            taken_out = begin_service(connection, connection.execute(known).scalar_one())
            promoted = replace(promoted, taken_out=tuple(taken_out))
    return promoted


def activate_model(
    engine: Engine,
    model_id: int,
    *,
    data_provider: str | None = None,
    began_by: int | None = None,
) -> list[str]:
    """Put a model in service for all records, or for those of a data provider.

    Returns, raises:
        As `begin_service`.
    """
    with engine.begin() as connection:
        return begin_service(connection, model_id, data_provider=data_provider, began_by=began_by)


@dataclass(frozen=True, kw_only=True)
class Retirement:
    """The audits that a retirement withdrew, and whether a model still serves all records."""

    withdrawn: int
    is_another_active: bool


def retire_model(engine: Engine, model_id: int) -> Retirement:
    """Take a model out of service, and withdraw what audits have proved of it."""
    with engine.begin() as connection:
        standing = (Audit.model_id == model_id, Audit.withdrawn_at.is_(None))
        withdrawn = {"withdrawn_at": func.now(), "withdrawn_because": "the model was retired"}
        audits = connection.execute(update(Audit).where(*standing).values(withdrawn)).rowcount
        retire(connection, model_id)
        return Retirement(withdrawn=audits, is_another_active=serving(connection, None) is not None)


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model of the store; `run` is the experiment, if that was recorded.

    `encoder` is the name of the encoder of its heads, `licence` the licence of the encoder's
    weights; both are None for a whole network. `vocabulary` is a version such as `museum@2`; None
    for models of older versions. `standing` is serving, not serving or retired (since
    `retired_at`). `serves` are the data providers that it is in service for; if `serves_all`, it
    also serves all other records.
    """

    id: int
    name: str
    version: int
    standing: str
    path: str
    sha256: str
    labels: list[str]
    thresholds: dict[str, float]
    run: str | None
    encoder: str | None
    licence: str | None
    vocabulary: str | None
    created_at: datetime
    retired_at: datetime | None
    serves_all: bool
    serves: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return ModelName(self.name, self.version).title

    @property
    def served(self) -> str:
        return ", ".join(["all"] * self.serves_all + list(self.serves))


def stored_models(engine: Engine, name: str | None = None) -> list[StoredModel]:
    """All models, or all versions of one, ordered by name and version."""
    open_rows = (
        select(ModelService.data_provider)
        .where(ModelService.model_id == PromotedModel.id, ModelService.ended_at.is_(None))
        .order_by(ModelService.data_provider)
        .correlate(PromotedModel)
    )
    providers = open_rows.where(ModelService.data_provider.is_not(None))
    of_all = open_rows.where(ModelService.data_provider.is_(None))
    columns: tuple[Any, ...] = (
        *(PromotedModel.id, PromotedModel.name, PromotedModel.version, PromotedModel.path),
        *(PromotedModel.sha256, PromotedModel.labels, PromotedModel.thresholds),
        *(PromotedModel.created_at, PromotedModel.retired_at),
        literal_column(STANDING).label("standing"),
        TrainingRun.name.label("run"),
        RegisteredEncoder.name.label("encoder"),
        RegisteredEncoder.licence,
        KeptVocabulary.name.concat("@").concat(KeptVocabulary.version).label("vocabulary"),
        of_all.exists().label("serves_all"),
        func.array(providers.scalar_subquery()).label("serves"),
    )
    query = (
        select(*columns)
        .outerjoin(TrainingRun, TrainingRun.id == PromotedModel.run_id)
        .outerjoin(RegisteredEncoder, RegisteredEncoder.id == PromotedModel.encoder_id)
        .outerjoin(KeptVocabulary, KeptVocabulary.id == PromotedModel.vocabulary_id)
    )
    if name is not None:
        query = query.where(PromotedModel.name == name)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(PromotedModel.name, PromotedModel.version))
        return [StoredModel(**{**row, "serves": tuple(row["serves"])}) for row in rows.mappings()]


def _known(connection: Connection, sha256: str) -> Promoted | None:
    columns = (PromotedModel.name, PromotedModel.version, PromotedModel.path)
    row = connection.execute(select(*columns).where(PromotedModel.sha256 == sha256)).one_or_none()
    if row is None:
        return None
    return Promoted(name=row.name, version=row.version, path=row.path, is_new=False)


def _next(connection: Connection, name: str) -> Promoted:
    latest = (
        connection.scalar(select(func.max(PromotedModel.version)).where(PromotedModel.name == name))
        or 0
    )
    path = f"{name}-{latest + 1}"
    return Promoted(name=name, version=latest + 1, path=path, is_new=True)


def _encoder_id(connection: Connection, sha256: str | None) -> int | None:
    """Raises ModelError if the store lacks the encoder."""
    if sha256 is None:
        return None
    found = connection.scalar(
        select(RegisteredEncoder.id).where(RegisteredEncoder.sha256 == sha256)
    )
    if found is None:
        raise ModelError(
            "The encoder of the model is not in this store. Add it first: trainer encoders add"
        )
    return found


def _insert(
    connection: Connection,
    description: Description,
    promoted: Promoted,
    *,
    sha256: str,
    encoder_id: int | None,
) -> None:
    origin, thresholds = description.created_from, description.thresholds.items()
    vocabulary = vocabulary_of_model(
        connection,
        dict(zip(description.concept_uris, description.labels, strict=True)),
        named=str(origin.get(VOCABULARY, "")),
        model=promoted.name,
    )
    run_id = connection.scalar(
        select(TrainingRun.id).where(
            TrainingRun.name == origin.get("experiment", ""),
            TrainingRun.dataset_fingerprint == origin.get("dataset_fingerprint", ""),
        )
    )
    connection.execute(
        insert(PromotedModel).values(
            name=promoted.name,
            version=promoted.version,
            path=promoted.path,
            sha256=sha256,
            labels=list(description.concept_uris),
            thresholds={uri: least for uri, least in thresholds if least is not None},
            picture_source=description.picture_source,
            run_id=run_id,
            encoder_id=encoder_id,
            vocabulary_id=vocabulary.id,
            promise=asdict(description.promise) if description.promise else None,
            promoted_by=user_name(),
        )
    )
