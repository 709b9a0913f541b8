"""Mutated tables for `harvester import`."""

import io
from datetime import date
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import openpyxl
import pytest

from common.errors import UsageError
from harvester.tables.fates import FATES, judge_rows
from tests.fuzz.trying import TIMEOUT, try_mutations

pytestmark = [pytest.mark.slow, pytest.mark.fuzz, pytest.mark.timeout(TIMEOUT)]
MAP, TOY = "http://data.europeana.eu/concept/43", "http://data.europeana.eu/concept/56"
VOCABULARY = {"map": MAP, "toy": TOY, "textile_fragment": "http://data.europeana.eu/concept/55"}
HEADER = "category,skos_concept,URI,URL,ID\n"
ITEM = "http://data.europeana.eu/item/1/a"
SEEDS = (
    f"{HEADER}map,{MAP},{ITEM},http://x.example/a.jpg,/1/a\n",
    f'\ufeff{HEADER.replace(",", ", ")}"map toy","{MAP} {TOY}",{ITEM},,\r\n"a\nb",,,,1/a\r\n',
    f"ID;category\n{HEADER}Textile Fragment,,,'=1+1,/1/b\n",
    f'{HEADER}map,http://data.europeana.eu/concept/base/43,"a ""b""",x,/1/a,,,\n\n,,,,\n',
    "category,ID\n" + "maps,/1/a\n" * 40,
)


def check_fates(table: Path, content: bytes) -> None:
    table.write_bytes(content)
    try:
        for row in judge_rows(table, VOCABULARY):
            assert row.fate in FATES
            assert (row.record is None) == (row.fate == "rejected")
    except UsageError as error:
        assert str(table) in str(error)


def test_every_row_of_a_mutated_table_has_a_fate(tmp_path: Path) -> None:
    try_one = partial(check_fates, tmp_path / "table.csv")
    try_mutations([text.encode() for text in SEEDS], try_one, seconds_each=10)


def test_every_row_of_a_mutated_spreadsheet_has_a_fate(tmp_path: Path) -> None:
    """The parts are changed as well as the archive, whose checksums hide most changes of a part."""
    written = tmp_path / "seed.xlsx"
    book = openpyxl.Workbook()
    for row in (("category", "ID", "URL"), ("map", "/1/a", 1.0), ("toy", "/1/b", date(2026, 1, 2))):
        book.active.append(row)
    book.create_sheet("other").append(["x"])
    book.save(written)
    with ZipFile(written) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    table = tmp_path / "table.xlsx"

    def try_one(content: bytes) -> None:
        name, _, part = content.partition(b"\n")
        changed = io.BytesIO()
        with ZipFile(changed, "w") as archive:
            for each, data in parts.items():
                archive.writestr(each, part if each.encode() == name else data)
        check_fates(
            table, changed.getvalue() if name.decode(errors="replace") in parts else content
        )

    seeds = [name.encode() + b"\n" + content for name, content in parts.items()]
    try_mutations([written.read_bytes(), *seeds], try_one, seconds_each=5)
