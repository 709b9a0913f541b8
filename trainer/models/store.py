"""Runs and models in the store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from common.store.tables import (
    Checkpoint,
    Concept,
    PromotedModel,
    TrainingRun,
)

_PROMOTION_LOCK = 7_300_001  # of Postgres' advisory locks: one promotion at a time


@dataclass(frozen=True, kw_only=True)
class CheckpointRow:
    """The row of one fold."""

    fold: int
    path: str
    sha256: str
    metrics: dict[str, Any]


def record_run(
    engine: Engine,
    *,
    name: str,
    config: dict[str, Any],
    fingerprint: str,
    metrics: dict[str, Any],
    checkpoints: list[CheckpointRow],
) -> None:
    """Write a finished cross-validation into the store, in one transaction; again is harmless."""
    values = {"config": config, "dataset_fingerprint": fingerprint, "metrics": metrics}
    with engine.begin() as connection:
        run_id = connection.scalar(
            insert(TrainingRun)
            .values(name=name, **values)
            .on_conflict_do_update(index_elements=[TrainingRun.name], set_=values)
            .returning(TrainingRun.id)
        )
        connection.execute(delete(Checkpoint).where(Checkpoint.run_id == run_id))
        connection.execute(
            insert(Checkpoint), [{"run_id": run_id, **vars(row)} for row in checkpoints]
        )


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """What the store is told of a bundle."""

    name: str
    sha256: str
    concepts: dict[str, str]  # URI to label, in the order of the classifier's outputs
    thresholds: dict[str, float]  # of the concepts that are not switched off
    picture_source: str  # what the pictures of its training were
    fingerprint: str = ""  # of the data that it was trained on
    run: str = ""  # the experiment


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """A model in the store; `is_new` unless the same bundle was promoted before."""

    name: str
    version: int
    path: str
    is_new: bool

    @property
    def title(self) -> str:
        """As workers and exports call it."""
        return f"{self.name} v{self.version}"


def add_model(
    engine: Engine, model: ModelRow, place: Callable[[str], None], *, active: bool
) -> Promoted:
    """Add a model, unless it is there, and make it the active one if asked to; one transaction.

    Args:
        place: puts the bundle at a path below MODEL_DIR; called before the commit, so that no
            model is without its bundle.
    """
    with _changing(engine) as connection:
        promoted = _known(connection, model.sha256) or _next(connection, model.name)
        place(promoted.path)
        if promoted.is_new:
            _insert(connection, model, promoted)
        if active:
            _activate(connection, PromotedModel.sha256 == model.sha256)
    return promoted


def activate_model(engine: Engine, model_id: int) -> None:
    """Make a model the active one and retire the former."""
    with _changing(engine) as connection:
        _activate(connection, PromotedModel.id == model_id)


def retire_model(engine: Engine, model_id: int) -> bool:
    """Take a model out of service; whether another is active."""
    with _changing(engine) as connection:
        connection.execute(
            update(PromotedModel).where(PromotedModel.id == model_id).values(stage="retired")
        )
        return bool(connection.scalar(select(func.count()).where(PromotedModel.stage == "active")))


@contextmanager
def _changing(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _PROMOTION_LOCK})
        yield connection


def _activate(connection: Connection, chosen: ColumnElement[bool]) -> None:
    former = (PromotedModel.stage == "active", ~chosen)
    connection.execute(update(PromotedModel).where(*former).values(stage="retired"))
    connection.execute(update(PromotedModel).where(chosen).values(stage="active"))


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model as the store knows it; `run` is the experiment, if that was recorded."""

    id: int
    name: str
    version: int
    stage: str
    path: str
    sha256: str
    labels: list[str]
    thresholds: dict[str, float]
    run: str | None
    created_at: datetime

    @property
    def title(self) -> str:
        """As workers and exports call it."""
        return f"{self.name} v{self.version}"


def stored_models(engine: Engine, name: str | None = None) -> list[StoredModel]:
    """All models, or all versions of one, by name and version."""
    columns = (
        *(
            PromotedModel.id,
            PromotedModel.name,
            PromotedModel.version,
            PromotedModel.stage,
            PromotedModel.path,
            PromotedModel.sha256,
        ),
        *(
            PromotedModel.labels,
            PromotedModel.thresholds,
            TrainingRun.name.label("run"),
            PromotedModel.created_at,
        ),
    )
    query = select(*columns).outerjoin(TrainingRun, TrainingRun.id == PromotedModel.run_id)
    if name is not None:
        query = query.where(PromotedModel.name == name)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(PromotedModel.name, PromotedModel.version))
        return [StoredModel(**row) for row in rows.mappings()]


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


def _insert(connection: Connection, model: ModelRow, promoted: Promoted) -> None:
    concept = insert(Concept)
    connection.execute(
        concept.on_conflict_do_update(
            index_elements=[Concept.uri], set_={"label": concept.excluded.label}
        ),
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
        )
    )
