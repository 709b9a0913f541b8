"""What the trainer reads from the store and writes to it; all its SQL is here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from common.errors import DatasetError
from common.store.datasets import find_dataset
from common.store.tables import (
    Checkpoint,
    Concept,
    DatasetItem,
    Image,
    Model,
    TrainingRun,
)
from common.vision.model import PictureSource
from trainer.dataset import Example, TrainingData

_PROMOTION_LOCK = 7_300_001  # of Postgres' advisory locks: one promotion at a time


def dataset_data(engine: Engine, name: str, image_dir: Path) -> TrainingData:
    """The labelled records of a dataset that have a stored picture and one concept.

    Raises:
        UsageError: no such dataset; names those that exist.
        DatasetError: it has no pictures yet.
    """
    with engine.connect() as connection:
        rows = connection.execute(_items(find_dataset(connection, name))).all()
        concepts = connection.execute(select(Concept.uri, Concept.label)).all()
    label_of = {row.uri: row.label for row in concepts}
    single = [row for row in rows if len(row.concepts) == 1]
    pictured = [row for row in single if row.path is not None]
    if not pictured:
        raise DatasetError(
            f"Dataset {name} has {len(rows):,} records but no picture to train on; "
            f"run: harvester images --name {name}"
        )
    uris = sorted({row.concepts[0] for row in pictured}, key=lambda uri: (label_of[uri], uri))
    data = TrainingData(
        source=f"dataset {name}",
        categories=tuple(label_of[uri] for uri in uris),
        concept_uris=tuple(uris),
        picture_source=_picture_source(pictured),
        examples=tuple(_example(row, uris, image_dir) for row in pictured),
    )
    data = data.without("record with several concepts", _ids(rows, lambda r: len(r.concepts) > 1))
    data = data.without("record without a stored picture", _ids(single, lambda r: r.path is None))
    return data.without_contradictions()


def _items(dataset_id: int) -> Any:
    concepts = func.array_agg(DatasetItem.concept_uri).label("concepts")
    picture = (Image.path, Image.sha256, Image.source)
    is_stored = (Image.record_id == DatasetItem.record_id) & (Image.state == "stored")
    return (
        select(DatasetItem.record_id, concepts, *picture)
        .outerjoin(Image, is_stored)
        .where(DatasetItem.dataset_id == dataset_id)
        .group_by(DatasetItem.record_id, *picture)
        .order_by(DatasetItem.record_id)
    )


def _example(row: Row[Any], uris: list[str], image_dir: Path) -> Example:
    return Example(
        key=row.record_id,
        path=image_dir / row.path,
        label=uris.index(row.concepts[0]),
        sha256=row.sha256,
    )


def _ids(rows: Any, condition: Callable[[Row[Any]], bool]) -> list[str]:
    return [row.record_id for row in rows if condition(row)]


def _picture_source(rows: list[Row[Any]]) -> PictureSource:
    sources: set[PictureSource] = {row.source for row in rows}
    return sources.pop() if len(sources) == 1 else "mixed"


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
    fingerprint: str  # of the data that it was trained on
    run: str  # the experiment


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """A model in the store; `is_new` unless the same bundle was promoted before."""

    name: str
    version: int
    path: str
    is_new: bool


def activate(engine: Engine, model: ModelRow, place: Callable[[str], None]) -> Promoted:
    """Make a model the active one and retire the former, in one transaction.

    Args:
        place: puts the bundle at a path below MODEL_DIR; called before the commit, so that no
            active model is without its bundle.
    """
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _PROMOTION_LOCK})
        promoted = _known(connection, model.sha256) or _next(connection, model.name)
        place(promoted.path)
        connection.execute(
            update(Model)
            .where(Model.stage == "active", Model.sha256 != model.sha256)
            .values(stage="retired")
        )
        if promoted.is_new:
            _insert(connection, model, promoted)
        connection.execute(update(Model).where(Model.sha256 == model.sha256).values(stage="active"))
    return promoted


def _known(connection: Connection, sha256: str) -> Promoted | None:
    columns = (Model.name, Model.version, Model.path)
    row = connection.execute(select(*columns).where(Model.sha256 == sha256)).one_or_none()
    if row is None:
        return None
    return Promoted(name=row.name, version=row.version, path=row.path, is_new=False)


def _next(connection: Connection, name: str) -> Promoted:
    latest = connection.scalar(select(func.max(Model.version)).where(Model.name == name)) or 0
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
        insert(Model).values(
            name=promoted.name,
            version=promoted.version,
            path=promoted.path,
            sha256=model.sha256,
            labels=list(model.concepts),
            thresholds=model.thresholds,
            run_id=run_id,
        )
    )
