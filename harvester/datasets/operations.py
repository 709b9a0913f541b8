"""Make, combine, divide and remove datasets, each with one statement in Postgres.

A dataset that is missing, or a new name that is malformed or taken, is a UsageError.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate

from sqlalchemy import Connection, Engine, TextClause, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from common.errors import UsageError
from common.store.bulk import upsert
from common.store.records import find_dataset
from common.store.tables import Dataset, DatasetItem
from common.store.teaching.verdicts import WEIGHT, taught_labels
from common.store.vocabularies import version_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

_LIST = text("""
    SELECT dataset.name, dataset.created_at,
           (SELECT vocabulary.name || '@' || vocabulary.version FROM vocabulary
            WHERE vocabulary.id = dataset.vocabulary_id) AS vocabulary,
           count(DISTINCT item.record_id) AS records,
           count(DISTINCT item.concept_uri) AS categories,
           count(DISTINCT image.record_id) AS pictures
    FROM dataset
    LEFT JOIN dataset_item AS item ON item.dataset_id = dataset.id
    LEFT JOIN image ON image.record_id = item.record_id AND image.state = 'stored'
    GROUP BY dataset.id ORDER BY dataset.name COLLATE "C"
""")
_REMOVE_EMPTY = text("""
    DELETE FROM dataset WHERE name = :name
       AND NOT EXISTS (SELECT FROM dataset_item WHERE dataset_item.dataset_id = dataset.id)
""")
_MERGE = text("""
    INSERT INTO dataset_item (dataset_id, record_id, concept_uri, source, weight)
    SELECT :target, record_id, concept_uri, max(source), max(weight)
    FROM dataset_item WHERE dataset_id IN (:first, :second)
    GROUP BY record_id, concept_uri
""")
_SUBTRACT = text("""
    INSERT INTO dataset_item (dataset_id, record_id, concept_uri, source, weight)
    SELECT :target, record_id, concept_uri, source, weight
    FROM dataset_item AS item
    WHERE dataset_id = :first AND NOT EXISTS (
        SELECT FROM dataset_item AS other
        WHERE other.dataset_id = :second AND other.record_id = item.record_id)
""")
# A stratum is the records with the same labels. Each stratum is spread evenly over 0..1, in an
# order that the seed draws; then all records, in that order, are cut at the bounds. So each part
# has exactly its size, each stratum is divided in the same proportion, and a stratum of one record
# falls to a part by chance.
_SPLIT = text("""
    WITH labelled AS (
        SELECT record_id, string_agg(concept_uri, ' ' ORDER BY concept_uri COLLATE "C") AS stratum
        FROM dataset_item WHERE dataset_id = :dataset GROUP BY record_id
    ), drawn AS (
        SELECT record_id, stratum,
               row_number() OVER within_stratum - 1 AS rank,
               count(*) OVER (PARTITION BY stratum) AS size,
               ('x' || left(md5(:seed || stratum), 8))::bit(32)::bigint / 4294967296.0 AS start
        FROM labelled
        WINDOW within_stratum AS (
            PARTITION BY stratum ORDER BY md5(:seed || record_id), record_id COLLATE "C")
    ), placed AS (
        SELECT record_id, count(*) OVER () AS total,
               row_number() OVER (
                   ORDER BY (rank + start) / size, stratum COLLATE "C") - 0.5 AS place
        FROM drawn
    ), part AS (
        SELECT record_id, width_bucket(place / total, CAST(:bounds AS numeric[])) + 1 AS number
        FROM placed
    )
    INSERT INTO dataset_item (dataset_id, record_id, concept_uri, source, weight)
    SELECT (CAST(:parts AS integer[]))[part.number], item.record_id, item.concept_uri, item.source,
           item.weight
    FROM dataset_item AS item JOIN part USING (record_id) WHERE item.dataset_id = :dataset
""")


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """A dataset in the list, with its numbers of records, categories and stored pictures.

    `vocabulary` is the version that it uses, such as museum@2; None for datasets of before.
    """

    name: str
    vocabulary: str | None
    records: int
    categories: int
    pictures: int
    created_at: datetime


def check_dataset_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a dataset; use letters, digits, dots, dashes and "
            "underscores."
        )


def ensure_dataset(connection: Connection, name: str) -> int:
    """The number of a dataset; makes the dataset if there is none of that name."""
    check_dataset_name(name)
    connection.execute(insert(Dataset).values(name=name).on_conflict_do_nothing())
    return connection.execute(select(Dataset.id).where(Dataset.name == name)).scalar_one()


def count_records(connection: Connection, dataset: int) -> int:
    records = func.count(DatasetItem.record_id.distinct())
    return connection.execute(select(records).where(DatasetItem.dataset_id == dataset)).scalar_one()


def list_datasets(engine: Engine) -> list[DatasetSummary]:
    with engine.connect() as connection:
        return [DatasetSummary(**row) for row in connection.execute(_LIST).mappings()]


def merge_datasets(engine: Engine, first: str, second: str, *, name: str) -> int:
    """Shared records get the labels of both. Returns the number of records."""
    return _combine(engine, _MERGE, first, second, name=name)


def subtract_datasets(engine: Engine, first: str, second: str, *, name: str) -> int:
    """Labels do not matter, only records do. Returns the number of records."""
    return _combine(engine, _SUBTRACT, first, second, name=name)


def split_dataset(
    engine: Engine, name: str, *, fractions: Mapping[str, Decimal], seed: int
) -> dict[str, int]:
    """Divide a dataset into new ones; each keeps the proportions of the sets of labels.

    The same seed gives the same parts of the same records, whatever order they were stored in.

    Args:
        fractions: name to fraction of each new dataset.

    Returns:
        The number of records of each part.

    Raises:
        UsageError: the fractions do not add up to 1.
    """
    if sum(fractions.values()) != 1 or min(fractions.values()) <= 0:
        given = ", ".join(map(str, fractions.values()))
        raise UsageError(
            f"All fractions must be above 0, and their sum must be 1. You gave: {given}."
        )
    bounds = list(accumulate(fractions.values()))[:-1]
    with engine.begin() as connection:
        dataset = find_dataset(connection, name)
        parts = {part: _new_dataset(connection, part, like=[dataset]) for part in fractions}
        values = {"dataset": dataset, "parts": [*parts.values()], "bounds": bounds}
        connection.execute(_SPLIT, {**values, "seed": str(seed)})
        return {part: count_records(connection, number) for part, number in parts.items()}


def remove_dataset(engine: Engine, name: str) -> int:
    """Remove a dataset and the progress of its harvest. Its records and pictures stay in the store.

    Returns:
        The number of records that it had.
    """
    with engine.begin() as connection:
        dataset = find_dataset(connection, name)
        records = count_records(connection, dataset)
        connection.execute(delete(Dataset).where(Dataset.id == dataset))
    return records


@contextmanager
def without_empty_dataset(engine: Engine, name: str) -> Iterator[None]:
    """Remove a dataset again that the block made and left empty, if the block fails."""
    with engine.connect() as connection:
        is_new = connection.scalar(select(Dataset.id).where(Dataset.name == name)) is None
    try:
        yield
    except BaseException:
        if is_new:
            with engine.begin() as connection:
                connection.execute(_REMOVE_EMPTY, {"name": name})
        raise


@dataclass(frozen=True, kw_only=True)
class TakenVerdicts:
    """A dataset of judged records; on `disputed` others the reviewers disagree."""

    records: int
    disputed: int


def dataset_from_verdicts(
    engine: Engine, name: str, *, data_provider: str | None = None
) -> TakenVerdicts:
    """Make a dataset of the records that verdicts give a label, of one data provider or of all.

    A record counts as much as a judged one does (`WEIGHT`).

    Raises:
        UsageError: there is a dataset `name` already, or no verdict gives a label.
    """
    with engine.begin() as connection:
        found = taught_labels(connection, data_provider=data_provider)
        if not found.records:
            whose = f" of {data_provider}" if data_provider else ""
            raise UsageError(
                f"No record{whose} has a label from a verdict. Judge records at the desk first."
            )
        number = _new_dataset(connection, name)
        rows = (
            (number, each.record_id, uri, "verdict", WEIGHT)
            for each in found.records
            for uri in each.concepts
        )
        columns = ("dataset_id", "record_id", "concept_uri", "source", "weight")
        upsert(connection, DatasetItem.__table__, columns, rows)
    return TakenVerdicts(records=len(found.records), disputed=found.disputed)


def _combine(engine: Engine, statement: TextClause, first: str, second: str, *, name: str) -> int:
    with engine.begin() as connection:
        both = {
            "first": find_dataset(connection, first),
            "second": find_dataset(connection, second),
        }
        like = [both["first"]] if statement is _SUBTRACT else list(both.values())
        target = _new_dataset(connection, name, like=like)
        connection.execute(statement, both | {"target": target})
        return count_records(connection, target)


def _new_dataset(connection: Connection, name: str, *, like: Sequence[int] = ()) -> int:
    """Make a dataset; it uses the vocabulary of those that it is `like`."""
    check_dataset_name(name)
    values = {"name": name, "vocabulary_id": _common_vocabulary(connection, like)}
    made = insert(Dataset).values(values).on_conflict_do_nothing().returning(Dataset.id)
    number = connection.execute(made).scalar_one_or_none()
    if number is None:
        raise UsageError(
            f"A dataset {name!r} already exists. Choose another name, or remove this dataset: "
            f"harvester datasets remove {name}"
        )
    return number


def _common_vocabulary(connection: Connection, datasets: Sequence[int]) -> int | None:
    """Raises UsageError: the datasets use different vocabularies."""
    asked = select(Dataset.name, Dataset.vocabulary_id).where(Dataset.id.in_(datasets))
    used = {row.vocabulary_id: row.name for row in connection.execute(asked)}
    used.pop(None, None)  # a dataset of before has the labels that it had
    if len(used) > 1:
        named = " and ".join(
            f"{name} uses {version_of(connection, vocabulary)}" for vocabulary, name in used.items()
        )
        raise UsageError(
            f"The datasets have different vocabularies: {named}. Harvest or import one of them "
            "again with the vocabulary of the other (--vocabulary NAME@VERSION --rename-labels)."
        )
    return next(iter(used), None)
