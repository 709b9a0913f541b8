"""Training data from a dataset of the store.

`dataset` does not import it, so that training on a folder loads no module of the store.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, text

from common.errors import DatasetError
from common.europeana.record_ids import item_uri
from common.process.settings import ImageSettings
from common.store.records import find_dataset
from common.store.session import open_store
from common.store.teaching.verdicts import WEIGHT, taught_labels
from common.store.vocabularies import find_vocabulary, read_kept, version_of
from common.vision.kinds import Kind, TrainingPictures
from common.vocabulary.concepts import main_label
from trainer.data.dataset import DatasetDescription, Example, TrainingData, folder_data

_NONE_JUDGED: dict[str, Any] = {"judged": [], "taught": [], "weight": WEIGHT}
_VOCABULARY = text("SELECT vocabulary_id FROM dataset WHERE id = :dataset")
_CATEGORIES = text("""
    SELECT uri, category_of(vocabulary_id, uri) AS category
    FROM (SELECT DISTINCT concept_uri FROM dataset_item WHERE dataset_id = :dataset) AS item(uri),
         dataset
    WHERE dataset.id = :dataset
""")
# The order of records is the same in every store.
_ITEMS = text("""
    WITH item AS (
        SELECT record_id, concept_uri, weight, source = 'verdict' AS is_judged FROM dataset_item
        WHERE dataset_id = :dataset AND NOT record_id = ANY(CAST(:judged AS text[]))
        UNION ALL
        SELECT record_id, concept_uri, :weight, true
        FROM unnest(CAST(:judged AS text[]), CAST(:taught AS text[]))
             AS taught(record_id, concept_uri)
    )
    SELECT item.record_id, array_agg(item.concept_uri) AS concepts, max(item.weight) AS weight,
           bool_or(item.is_judged) AS is_judged,
           record.data_provider, record.title, image.path, image.sha256, image.source
    FROM item JOIN record ON record.id = item.record_id
    LEFT JOIN image ON image.record_id = item.record_id AND image.state = 'stored'
    GROUP BY item.record_id, record.id, image.record_id
    ORDER BY item.record_id COLLATE "C"
""")


def dataset_data(
    engine: Engine,
    name: str,
    image_dir: Path,
    kind: Kind = "single",
    *,
    with_verdicts: bool = False,
) -> TrainingData:
    """The records of a dataset with their labels; for the kind single only those with one label.

    Args:
        with_verdicts: if a verdict gives a record a concept of the dataset, that is its label, in
            place of the old one. Records outside the dataset are added.

    Raises:
        UsageError: there is no such dataset; the message names those that exist.
        DatasetError: it has no pictures yet.
    """
    with engine.connect() as connection:
        dataset = find_dataset(connection, name)
        asked = {"dataset": dataset}
        concepts = connection.execute(_CATEGORIES, asked).all()
        category_of: dict[str, str] = {row.uri: row.category for row in concepts}
        judged = _judged(connection, category_of, kind) if with_verdicts else _NONE_JUDGED
        rows = connection.execute(_ITEMS, judged | asked).all()
        vocabulary = version_of(connection, connection.scalar(_VOCABULARY, asked))
    usable = [row for row in rows if kind == "multi" or len(row.concepts) == 1]
    pictured = [row for row in usable if row.path is not None]
    if not pictured:
        raise DatasetError(
            f"Dataset {name} has {len(rows):,} records but no picture to train on. Run: harvester "
            f"images --dataset {name}"
        )
    found = {uri for row in usable for uri in row.concepts}
    uris = sorted(found, key=lambda uri: (category_of[uri], uri))
    data = TrainingData(
        source=f"dataset {name}" + " and verdicts" * with_verdicts,
        kind=kind,
        categories=tuple(category_of[uri] for uri in uris),
        concept_uris=tuple(uris),
        picture_source=_picture_source(pictured),
        examples=tuple(_example(row, uris, image_dir) for row in pictured),
        vocabulary=str(vocabulary) if vocabulary else None,
    )
    if kind == "single":
        several = _ids(rows, lambda row: len(row.concepts) > 1)
        data = data.without("record with several concepts", several)
    data = data.without("record without a stored picture", _ids(usable, lambda r: r.path is None))
    return data.without_contradictions()


def _judged(connection: Connection, known: Mapping[str, str], kind: Kind) -> dict[str, Any]:
    """The labels from verdicts, of known concepts, as parameters of `_ITEMS`."""
    found = taught_labels(connection, several=kind == "multi").records
    taught = [each for each in found if set(each.concepts) <= known.keys()]
    pairs = [(each.record_id, uri) for each in taught for uri in each.concepts]
    return {
        "judged": [record_id for record_id, _ in pairs],
        "taught": [uri for _, uri in pairs],
        "weight": WEIGHT,
    }


def _example(row: Row[Any], uris: list[str], image_dir: Path) -> Example:
    return Example(
        key=row.record_id,
        path=image_dir / row.path,
        labels=tuple(sorted(uris.index(uri) for uri in row.concepts)),
        sha256=row.sha256,
        provider=row.data_provider or "",
        title=row.title or "",
        url=item_uri(row.record_id),
        weight=row.weight,
        is_judged=row.is_judged,
    )


def _ids(rows: Sequence[Row[Any]], condition: Callable[[Row[Any]], bool]) -> list[str]:
    return [row.record_id for row in rows if condition(row)]


def _picture_source(rows: list[Row[Any]]) -> TrainingPictures:
    sources: set[TrainingPictures] = {row.source for row in rows}
    return sources.pop() if len(sources) == 1 else "mixed"


def labels_of(engine: Engine, vocabulary: str, languages: Sequence[str]) -> dict[str, str]:
    """The labels of a version such as `museum@2` by category, in the first language that has one.

    Raises:
        UsageError: the store has no such version.
    """
    with engine.connect() as connection:
        kept = read_kept(connection, find_vocabulary(connection, vocabulary).id)
    return {each.category: main_label(each.labels, languages) for each in kept.concepts}


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
