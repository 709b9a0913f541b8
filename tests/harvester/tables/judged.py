"""Tables of a test, and the fates of their rows."""

import csv
import io
from pathlib import Path

from common.europeana.record_ids import item_uri
from common.vocabulary.reading import load_vocabulary
from harvester.tables.csv_export import COLUMNS
from harvester.tables.fates import judge_rows

REPOSITORY = Path(__file__).resolve().parents[3]
PILOT = REPOSITORY.parent / "shared/data/pilot"
VOCABULARY = load_vocabulary(REPOSITORY / "vocabulary.json")
MAP, TOY = VOCABULARY["map"], VOCABULARY["toy"]
OLD_MAP = MAP.replace("concept/", "concept/base/")
PORTAL = "https://www.europeana.eu/en/item"


def fates(folder: Path, table: str | bytes, vocabulary=VOCABULARY):
    """The fate of every row of a table."""
    path = folder / "table.csv"
    path.write_bytes(table.encode() if isinstance(table, str) else table)
    return list(judge_rows(path, vocabulary))


def fate(folder: Path, **cells: str):
    """The fate of one row with these cells; by default it is as it should be."""
    row = {"category": "map", "skos_concept": MAP, "URI": item_uri("/1/a"), "ID": "/1/a"} | cells
    return fates(folder, table_of([row]))[0]


def table_of(rows, columns=COLUMNS) -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, columns, restval="", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def found(row) -> tuple[str, ...]:
    return (row.fate, *(f"{finding.column} {finding.what}" for finding in row.findings))


def report_of(importer, name: str = "t.report.csv") -> list[dict[str, str]]:
    """The rows of a report."""
    with (importer.folder / name).open(newline="") as stream:
        return list(csv.DictReader(stream))
