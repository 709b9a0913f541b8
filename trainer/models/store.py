"""Models in the store: the rows, and who serves. This module loads no torch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert

from common.errors import ModelError
from common.process.user_name import user_name
from common.store.in_service import STANDING, begin_service, lock_models, retire, serving
from common.store.model_names import ModelName
from common.store.session import allow_pauses
from common.store.tables import (
    Audit,
    Concept,
    ModelService,
    PromotedModel,
    RegisteredEncoder,
    TrainingRun,
)


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    name: str
    sha256: str
    concepts: dict[str, str]  # URI to label, in the order of the classifier's outputs
    thresholds: dict[str, float]  # of the concepts that are not switched off
    picture_source: str  # what the pictures of its training were
    fingerprint: str = ""  # of the data that it was trained on
    run: str = ""  # the experiment
    encoder: str | None = None  # the identity of that of its heads
    promise: dict[str, Any] | None = None  # that of its description


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """A model in the store; `is_new` is False if the same bundle was promoted before.

    `taken_out` are the data providers whose own models its promotion took out of service, since
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
    engine: Engine, model: ModelRow, place: Callable[[str], None], *, active: bool
) -> Promoted:
    """Add a model unless the store has it, in one transaction.

    Args:
        place: puts the bundle at a path below MODEL_DIR; called before the commit, so that no
            model is without its bundle.
        active: whether it is put in service for all records.

    Raises:
        ModelError: the store lacks its encoder.
    """
    with _changing(engine) as connection:
        promoted = _known(connection, model.sha256) or _next(connection, model.name)
        _encoder_id(connection, model)  # before anything is placed
        allow_pauses(connection)  # the disk may be slow
        place(promoted.path)
        if promoted.is_new:
            _insert(connection, model, promoted)
        if active:
            known = select(PromotedModel.id).where(PromotedModel.sha256 == model.sha256)
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
    """What a retirement did: the audits that it withdrew, and whether another model is active."""

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


@contextmanager
def _changing(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        lock_models(connection)
        yield connection


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model of the store; `run` is the experiment, if that was recorded.

    `encoder` is the name of the encoder of its heads, and `licence` that of the encoder's weights;
    both are None for a whole network. `standing` is serving, not serving or retired, the last since
    `retired_at`. `serves` are the data providers that it is in service for, beside all records
    where it `serves_all`.
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
        *(
            PromotedModel.id,
            PromotedModel.name,
            PromotedModel.version,
            literal_column(STANDING).label("standing"),
            PromotedModel.path,
            PromotedModel.sha256,
        ),
        *(
            PromotedModel.labels,
            PromotedModel.thresholds,
            TrainingRun.name.label("run"),
            RegisteredEncoder.name.label("encoder"),
            RegisteredEncoder.licence,
            PromotedModel.created_at,
            PromotedModel.retired_at,
            of_all.exists().label("serves_all"),
            func.array(providers.scalar_subquery()).label("serves"),
        ),
    )
    query = (
        select(*columns)
        .outerjoin(TrainingRun, TrainingRun.id == PromotedModel.run_id)
        .outerjoin(RegisteredEncoder, RegisteredEncoder.id == PromotedModel.encoder_id)
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


def _encoder_id(connection: Connection, model: ModelRow) -> int | None:
    """Raises ModelError if the store lacks the model's encoder."""
    if model.encoder is None:
        return None
    query = select(RegisteredEncoder.id).where(RegisteredEncoder.sha256 == model.encoder)
    found = connection.scalar(query)
    if found is None:
        raise ModelError(
            "The encoder of the model is not in this store; add it first: trainer encoders add."
        )
    return found


def _insert(connection: Connection, model: ModelRow, promoted: Promoted) -> None:
    connection.execute(
        insert(Concept).on_conflict_do_nothing(),  # a label that the store has stays
        [{"uri": uri, "label": label} for uri, label in model.concepts.items()],
    )
    run_id = connection.scalar(
        select(TrainingRun.id).where(
            TrainingRun.name == model.run, TrainingRun.dataset_fingerprint == model.fingerprint
        )
    )
    connection.execute(
        insert(PromotedModel).values(
            name=promoted.name,
            version=promoted.version,
            path=promoted.path,
            sha256=model.sha256,
            labels=list(model.concepts),
            thresholds=model.thresholds,
            picture_source=model.picture_source,
            run_id=run_id,
            encoder_id=_encoder_id(connection, model),
            promise=model.promise,
            promoted_by=user_name(),
        )
    )
