"""Datasets in the table format of the 2021 pilot: a line a record, with all its categories."""

import csv
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

from sqlalchemy import Connection, Engine, text

from common.europeana.record_ids import item_uri
from common.files import STANDARD_OUTPUT, check_folder_of, output_stream
from common.process.foreign_text import guard_cell, visible
from common.process.terminal.progress import progress
from common.store.records import find_dataset
from common.store.session import allow_pauses
from harvester.datasets.operations import count_records
from harvester.datasets.vocabulary import NAMED_CATEGORIES

COLUMNS = ("category", "skos_concept", "URI", "URL", "ID")
_ROWS_AT_ONCE = 2000

# COLLATE "C": the same order whatever the locale of the database.
_ITEMS = text(f"""
    WITH {NAMED_CATEGORIES}
    SELECT string_agg(named.category, ' ' ORDER BY named.category COLLATE "C") AS labels,
           string_agg(item.concept_uri, ' ' ORDER BY named.category COLLATE "C") AS concepts,
           record.id AS record_id,
           coalesce(record.media_url, '') AS media_url
    FROM dataset_item AS item
    JOIN named USING (concept_uri)
    JOIN record ON record.id = item.record_id
    WHERE item.dataset_id = :dataset
    GROUP BY record.id
    ORDER BY record.id COLLATE "C"
""")


def export_dataset(engine: Engine, name: str, target: str) -> int:
    """Write a dataset as CSV to a file (all of it, or no file), or to standard output (`-`).

    A cell that a spreadsheet would read as a formula gets an apostrophe before it, which an import
    takes off again. On a terminal control characters are written out.

    Returns:
        The number of records written.

    Raises:
        UsageError: there is no such dataset, or no such folder.
        EnrichmentError: the file cannot be written.
    """
    check_folder_of(target)
    with engine.connect() as connection:
        dataset = find_dataset(connection, name)
        total = count_records(connection, dataset)
        with output_stream(target) as stream, progress("export", total) as report:
            write_dataset(
                connection, dataset, stream, shown=_cell_for(target), on_record=report.advance
            )
    return total


def write_dataset(
    connection: Connection,
    dataset: int,
    stream: TextIO,
    *,
    shown: Callable[[str], object] = guard_cell,
    on_record: Callable[[], object] = lambda: None,
) -> None:
    """Write the records of a dataset as CSV.

    Args:
        shown: what is written of a cell.
        on_record: called after each record.
    """
    allow_pauses(connection)  # the reader of the output may be slow
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in _lines(connection, dataset):
        writer.writerow([shown(cell) for cell in line])
        on_record()


def _lines(connection: Connection, dataset: int) -> Iterator[tuple[str, ...]]:
    rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(
        _ITEMS, {"dataset": dataset}
    )
    for row in rows:
        uri = item_uri(row.record_id)
        yield (row.labels, row.concepts, uri, row.media_url, row.record_id)


def _cell_for(target: str) -> Callable[[str], object]:
    if target == STANDARD_OUTPUT and sys.stdout.isatty():
        return lambda cell: guard_cell(visible(cell))
    return guard_cell
