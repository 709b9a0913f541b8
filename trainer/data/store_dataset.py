"""Training data from a dataset of the store.

It stands apart from `dataset`, so that training on a folder loads nothing of the store.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Row, func, select

from common.errors import DatasetError
from common.europeana.record_ids import item_uri
from common.process.settings import ImageSettings
from common.store.records import find_dataset
from common.store.session import open_store
from common.store.tables import Concept, DatasetItem, Image, Record
from common.vision.kinds import Kind, TrainingPictures
from trainer.data.dataset import DatasetDescription, Example, TrainingData, folder_data


def dataset_data(engine: Engine, name: str, image_dir: Path, kind: Kind = "single") -> TrainingData:
    """The records of a dataset with their labels; for the kind single, those with one label.

    Raises:
        UsageError: there is no such dataset; the message names those that exist.
        DatasetError: it has no pictures yet.
    """
    with engine.connect() as connection:
        rows = connection.execute(_items(find_dataset(connection, name))).all()
        concepts = connection.execute(select(Concept.uri, Concept.label)).all()
    label_of = {row.uri: row.label for row in concepts}
    usable = [row for row in rows if kind == "multi" or len(row.concepts) == 1]
    pictured = [row for row in usable if row.path is not None]
    if not pictured:
        raise DatasetError(
            f"Dataset {name} has {len(rows):,} records but no picture to train on; "
            f"run: harvester images --name {name}"
        )
    uris = sorted({uri for row in usable for uri in row.concepts}, key=lambda u: (label_of[u], u))
    data = TrainingData(
        source=f"dataset {name}",
        kind=kind,
        categories=tuple(label_of[uri] for uri in uris),
        concept_uris=tuple(uris),
        picture_source=_picture_source(pictured),
        examples=tuple(_example(row, uris, image_dir) for row in pictured),
    )
    if kind == "single":
        several = _ids(rows, lambda row: len(row.concepts) > 1)
        data = data.without("record with several concepts", several)
    data = data.without("record without a stored picture", _ids(usable, lambda r: r.path is None))
    return data.without_contradictions()


def _items(dataset_id: int) -> Any:
    concepts = func.array_agg(DatasetItem.concept_uri).label("concepts")
    known = (Record.data_provider, Image.path, Image.sha256, Image.source)
    is_stored = (Image.record_id == DatasetItem.record_id) & (Image.state == "stored")
    return (
        select(DatasetItem.record_id, concepts, *known)
        .join(Record, Record.id == DatasetItem.record_id)
        .outerjoin(Image, is_stored)
        .where(DatasetItem.dataset_id == dataset_id)
        .group_by(DatasetItem.record_id, *known)
        .order_by(DatasetItem.record_id.collate("C"))  # the same order in every store
    )


def _example(row: Row[Any], uris: list[str], image_dir: Path) -> Example:
    return Example(
        key=row.record_id,
        path=image_dir / row.path,
        labels=tuple(sorted(uris.index(uri) for uri in row.concepts)),
        sha256=row.sha256,
        provider=row.data_provider or "",
        url=item_uri(row.record_id),
    )


def _ids(rows: Sequence[Row[Any]], condition: Callable[[Row[Any]], bool]) -> list[str]:
    return [row.record_id for row in rows if condition(row)]


def _picture_source(rows: list[Row[Any]]) -> TrainingPictures:
    sources: set[TrainingPictures] = {row.source for row in rows}
    return sources.pop() if len(sources) == 1 else "mixed"


def read_again(dataset: DatasetDescription) -> TrainingData:
    """The data of an experiment as it is now, from its dataset of the store or its folder.

    Raises:
        UsageError: there is no such dataset or folder here, or DATABASE_URL is missing.
        DatasetError: there is no picture.
        StoreError: the store cannot be reached.
    """
    where, _, name = dataset.source.partition(" ")
    if where == "folder":
        concepts = zip(dataset.categories, dataset.concept_uris, strict=True)
        return folder_data(Path(name), dict(concepts))
    engine = open_store()
    try:
        return dataset_data(engine, name, ImageSettings.read().image_dir, dataset.kind)
    finally:
        engine.dispose()
