"""From a table into the store: streamed, in one transaction, with a report on every row.

A record on several rows gets the labels of all of them. Harvested values are kept: the URL of a
picture is filled in only if the store has none.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, Engine, text

from common.errors import UsageError
from common.files import output_stream
from common.process.foreign_text import guard_row
from common.process.terminal.progress import progress
from common.store.bulk import copy_rows
from harvester.datasets.operations import check_dataset_name, count_records, ensure_dataset
from harvester.datasets.vocabulary import ChosenVocabulary, use_vocabulary
from harvester.tables.fates import NOT_UTF8, Fate, RowFate, judge_rows
from harvester.tables.label_spelling import LabelReader, spellings

REPORT_COLUMNS = ("line", "fate", "column", "detail")

_STAGING = "csv_row"
_STAGED = ("record_id", "media_url", "concept_uris")
_CREATE = text(f"""
    CREATE TEMPORARY TABLE {_STAGING} (
        position bigserial, record_id text, media_url text, concept_uris text[]
    ) ON COMMIT DROP
""")
_FOLLOW_MOVED = text(f"""
    UPDATE {_STAGING} SET record_id = record_alias.record_id
    FROM record_alias WHERE record_alias.old_id = {_STAGING}.record_id
""")
_INSERT_RECORDS = text(f"""
    INSERT INTO record (id, media_url)
    SELECT DISTINCT ON (record_id) record_id, media_url FROM {_STAGING}
    ORDER BY record_id, media_url IS NULL, position
    ON CONFLICT (id) DO UPDATE SET media_url = excluded.media_url
    WHERE record.media_url IS NULL AND excluded.media_url IS NOT NULL
""")
_INSERT_ITEMS = text(f"""
    INSERT INTO dataset_item (dataset_id, record_id, concept_uri, source)
    SELECT DISTINCT CAST(:dataset AS integer), record_id, unnest(concept_uris), 'csv'
    FROM {_STAGING} ORDER BY 2, 3
    ON CONFLICT DO NOTHING
""")


@dataclass
class ImportOutcome:
    """Counts of rows by fate, and of findings by fate, column and phrase.

    `records`: of the dataset, after the import. `moved`: rows whose record has another ID now,
    since Europeana moved it.
    """

    fates: Counter[Fate] = field(default_factory=Counter)
    findings: Counter[tuple[Fate, str, str]] = field(default_factory=Counter)
    records: int = 0
    moved: int = 0

    @property
    def recoded(self) -> int:
        """Rows that are not UTF-8."""
        return sum(rows for (_, _, what), rows in self.findings.items() if what == NOT_UTF8)

    @property
    def usable(self) -> int:
        return self.fates["taken"] + self.fates["repaired"]


def import_dataset(
    engine: Engine,
    source: Path,
    name: str,
    vocabulary: ChosenVocabulary,
    *,
    report_path: Path,
    rename: bool = False,
    accept_repairs: bool = False,
    columns: Mapping[str, str] | None = None,
) -> ImportOutcome:
    """Read a table into a new or an existing dataset, and write the report on each row.

    Args:
        rename: categories that the dataset calls otherwise.
        accept_repairs: of misspelt labels.
        columns: as `judge_rows`.

    Raises:
        UsageError: the file is no such table, or harmful (names the line), or the dataset has
            other labels for some concepts. No row is stored.
    """
    check_dataset_name(name)
    if report_path.resolve() == source.resolve():
        raise UsageError(f"The report would replace {source}; give another --report.")
    outcome, content = ImportOutcome(), vocabulary.content
    labels = LabelReader(content.categories, also=spellings(content))
    fates = judge_rows(
        source,
        content.categories,
        labels=labels,
        accept_repairs=accept_repairs,
        columns=columns,
    )
    with (
        output_stream(str(report_path)) as report,
        engine.begin() as connection,
        progress("import") as shown,
    ):
        connection.execute(_CREATE)
        counted = _accounted(fates, outcome, report)
        copy_rows(connection, _STAGING, _STAGED, _usable_rows(counted, shown.advance))
        if outcome.usable:
            dataset = ensure_dataset(connection, name)
            use_vocabulary(connection, dataset, vocabulary, rename=rename)
            _store(connection, dataset, outcome)
    return outcome


def _accounted(
    fates: Iterable[RowFate], outcome: ImportOutcome, report: TextIO
) -> Iterator[RowFate]:
    """Count fates and report them, a line for each finding and each row without findings."""
    writer = csv.writer(report, lineterminator="\n")
    writer.writerow(REPORT_COLUMNS)
    for row in fates:
        outcome.fates[row.fate] += 1
        outcome.findings.update({(row.fate, each.column, each.what) for each in row.findings})
        for each in row.findings:
            writer.writerow(guard_row((row.line, row.fate, each.column, str(each))))
        if not row.findings:
            writer.writerow((row.line, row.fate, "", ""))
        yield row


def _usable_rows(
    fates: Iterable[RowFate], advance: Callable[[], None]
) -> Iterator[tuple[str, str | None, list[str]]]:
    for row in fates:
        advance()
        if row.record:
            yield row.record.record_id, row.record.media_url, list(row.record.concepts)


def _store(connection: Connection, dataset: int, outcome: ImportOutcome) -> None:
    outcome.moved = connection.execute(_FOLLOW_MOVED).rowcount
    connection.execute(_INSERT_RECORDS)
    connection.execute(_INSERT_ITEMS, {"dataset": dataset})
    outcome.records = count_records(connection, dataset)
