"""Mutated tables for `harvester import`."""

from pathlib import Path

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


def test_every_row_of_a_mutated_table_has_a_fate(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"

    def try_one(content: bytes) -> None:
        table.write_bytes(content)
        try:
            for row in judge_rows(table, VOCABULARY):
                assert row.fate in FATES
                assert (row.record is None) == (row.fate == "rejected")
        except UsageError as error:
            assert str(table) in str(error)

    try_mutations([text.encode() for text in SEEDS], try_one, seconds_each=10)
