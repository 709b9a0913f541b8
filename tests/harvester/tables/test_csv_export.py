import csv
import io

import pytest

from common.store.bulk import upsert
from common.store.tables import Concept, DatasetItem, Record
from harvester.datasets.operations import ensure_dataset
from harvester.tables.rows import read_rows

HEADER = "category,skos_concept,URI,URL,ID"
MAP, TOY = "http://data.europeana.eu/concept/43", "http://data.europeana.eu/concept/56"


@pytest.fixture
def dataset(harvester):
    """Records that try the format: two labels, no file, characters that need quotes."""
    records = [
        ("/2/b", None),
        ("/1/z", 'http://x.org/"a",b\nc é'),
        ("/1/Z", "http://x.org/1"),
        ("/10/a", "http://x.org/2"),
    ]
    with harvester.engine.begin() as connection:
        number = ensure_dataset(connection, "d")
        upsert(connection, Record.__table__, ("id", "media_url"), records)
        upsert(connection, Concept.__table__, ("uri", "label"), [(TOY, "toy"), (MAP, "map")])
        items = [(number, record_id, MAP, "csv") for record_id, _ in records]
        items.append((number, "/1/z", TOY, "csv"))
        columns = ("dataset_id", "record_id", "concept_uri", "source")
        upsert(connection, DatasetItem.__table__, columns, items)


def test_the_table_has_the_form_of_the_pilot_in_the_order_of_ids(harvester, dataset):
    harvester("export", "--dataset", "d", "d.csv")
    content = (harvester.folder / "d.csv").read_bytes().decode()
    assert content.startswith(HEADER + "\n")
    rows = list(csv.reader(io.StringIO(content, newline="")))[1:]
    item = "http://data.europeana.eu/item"
    assert rows == [
        ["map", MAP, f"{item}/1/Z", "http://x.org/1", "/1/Z"],
        ["map toy", f"{MAP} {TOY}", f"{item}/1/z", 'http://x.org/"a",b\nc é', "/1/z"],
        ["map", MAP, f"{item}/10/a", "http://x.org/2", "/10/a"],
        ["map", MAP, f"{item}/2/b", "", "/2/b"],
    ]


def test_a_formula_in_an_address_is_a_text_for_a_spreadsheet(harvester, dataset):
    with harvester.engine.begin() as connection:
        formula = '=HYPERLINK("http://evil.example")'
        upsert(
            connection,
            Record.__table__,
            ("id", "media_url"),
            [("/2/b", formula)],
            update=("media_url",),
        )
    harvester("export", "--dataset", "d", "d.csv")
    with (harvester.folder / "d.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[-1][3] == f"'{formula}"
    assert list(read_rows(harvester.folder / "d.csv"))[-1].cells[3] == formula


def test_standard_output_gets_the_same_and_nothing_else(harvester, dataset):
    harvester("export", "--dataset", "d", "d.csv")
    ended = harvester("export", "--dataset", "d", "-")
    assert ended.stdout == (harvester.folder / "d.csv").read_bytes().decode()


def test_an_existing_file_is_replaced_whole_or_not_at_all(harvester, dataset):
    target = harvester.folder / "d.csv"
    target.write_text("old")
    harvester("export", "--dataset", "unknown", "d.csv", exit_code=2)
    assert target.read_text() == "old"
    harvester("export", "--dataset", "d", "d.csv")
    assert target.read_text().startswith(HEADER)
    assert {path.name for path in harvester.folder.iterdir()} == {"d.csv", "vocabulary.json"}


def test_a_target_that_is_no_file_is_named(harvester, dataset):
    (harvester.folder / "taken").mkdir()
    ended = harvester("export", "--dataset", "d", "taken", exit_code=1)
    assert "taken cannot be written" in ended.stderr


@pytest.mark.parametrize("command", [("export", "x.csv"), ("images",)])
def test_an_unknown_dataset_is_told_with_those_that_there_are(harvester, command):
    name, *arguments = command
    ended = harvester(name, "--dataset", "x", *arguments, exit_code=2)
    assert "There is no dataset 'x'; there is none at all yet" in ended.stderr
    with harvester.engine.begin() as connection:
        for number in range(12):
            ensure_dataset(connection, f"d{number:02}")
    ended = harvester(name, "--dataset", "x", *arguments, exit_code=2)
    assert "there are: d00, d01, d02," in ended.stderr
    assert "d09 and 2 more." in ended.stderr
