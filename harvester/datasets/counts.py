"""The counts of a dataset: its records by category, data provider, rights and picture."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, TextClause, text

from common.europeana.rights import reusability
from common.store.records import find_dataset
from harvester.datasets.operations import count_records

_NOT_HARVESTED = "not harvested yet"

_BY_CATEGORY = text("""
    SELECT CASE WHEN CAST(:languages AS text[]) IS NULL THEN category_of(vocabulary_id, concept_uri)
                ELSE concept_label(vocabulary_id, concept_uri, :languages) END, records
    FROM dataset CROSS JOIN LATERAL (
        SELECT concept_uri, count(*) AS records FROM dataset_item
        WHERE dataset_id = dataset.id GROUP BY concept_uri) AS item
    WHERE dataset.id = :dataset ORDER BY 2 DESC, 1
""")
_RECORDS = "SELECT DISTINCT record_id AS id FROM dataset_item WHERE dataset_id = :dataset"
_BY_PROVIDER = text(f"""
    SELECT record.data_provider, count(*)
    FROM ({_RECORDS}) AS item JOIN record USING (id)
    GROUP BY 1 ORDER BY 2 DESC, 1
""")
_BY_RIGHTS = text(f"""
    SELECT record.rights, count(*) FROM ({_RECORDS}) AS item JOIN record USING (id) GROUP BY 1
""")
_BY_PICTURE = text(f"""
    SELECT CASE image.state WHEN 'stored' THEN 'stored, ' || image.source
                            WHEN 'failed' THEN 'failed, ' || image.reason
                            WHEN 'deferred' THEN 'deferred, ' || image.reason
                            ELSE 'not yet tried' END, count(*)
    FROM ({_RECORDS}) AS item LEFT JOIN image ON image.record_id = item.id
    GROUP BY 1 ORDER BY 2 DESC, 1
""")


@dataclass(frozen=True, kw_only=True)
class DatasetCounts:
    """The counts of a dataset's records, the largest first.

    A record counts once for each of its categories, and once in each other count.
    """

    name: str
    records: int
    categories: Mapping[str, int]
    providers: Mapping[str, int]
    rights: Mapping[str, int]
    pictures: Mapping[str, int]


def count_dataset(
    engine: Engine, name: str, languages: Sequence[str] | None = None
) -> DatasetCounts:
    """The counts; with languages under the labels of the categories, in the first that has one."""
    with engine.connect() as connection:
        dataset = find_dataset(connection, name)
        return DatasetCounts(
            name=name,
            records=count_records(connection, dataset),
            categories=_counts(connection, _BY_CATEGORY, dataset, languages=languages),
            providers=_counts(connection, _BY_PROVIDER, dataset),
            rights=_by_class(_counts(connection, _BY_RIGHTS, dataset)),
            pictures=_counts(connection, _BY_PICTURE, dataset),
        )


def _counts(
    connection: Connection, statement: TextClause, dataset: int, **asked: Any
) -> dict[str, int]:
    rows = connection.execute(statement, {"dataset": dataset, **asked})
    return {name or _NOT_HARVESTED: records for name, records in rows}


def _by_class(statements: Mapping[str, int]) -> dict[str, int]:
    classes: Counter[str] = Counter()
    for statement, records in statements.items():
        known = statement != _NOT_HARVESTED
        classes[reusability(statement) if known else _NOT_HARVESTED] += records
    return dict(classes.most_common())
