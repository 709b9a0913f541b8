import csv
import io
import tracemalloc
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import UsageError
from common.europeana.record_ids import item_uri
from common.europeana.vocabulary import load_vocabulary
from common.store.bulk import upsert
from common.store.records import save_aliases
from common.store.tables import Record
from harvester.tables.csv_export import COLUMNS
from harvester.tables.fates import FATES, judge_rows
from harvester.tables.label_spelling import LabelReader
from tests.harvester.conftest import write_vocabulary

REPOSITORY = Path(__file__).resolve().parents[3]
PILOT = REPOSITORY.parent / "shared/data/pilot"
VOCABULARY = load_vocabulary(REPOSITORY / "vocabulary.json")
MAP, TOY = VOCABULARY["map"], VOCABULARY["toy"]
OLD_MAP = MAP.replace("concept/", "concept/base/")
PORTAL = "https://www.europeana.eu/en/item"

in_one_folder = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def fates(folder: Path, table: str | bytes, vocabulary=VOCABULARY):
    """The fate of every row of a table."""
    path = folder / "table.csv"
    path.write_bytes(table.encode() if isinstance(table, str) else table)
    return list(judge_rows(path, vocabulary))


def fate(folder: Path, **cells: str):
    """The fate of one row with these cells; by default it is as it should be."""
    row = {"category": "map", "skos_concept": MAP, "URI": item_uri("/1/a"), "ID": "/1/a"} | cells
    return fates(folder, _table([row]))[0]


def _table(rows, columns=COLUMNS) -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, columns, restval="", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _found(row) -> tuple[str, ...]:
    return (row.fate, *(f"{finding.column} {finding.what}" for finding in row.findings))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, ("taken",)),
        ({"URL": "ftp://x.org/a b.jpg"}, ("taken",)),
        ({"skos_concept": OLD_MAP}, ("taken",)),
        ({"URI": f"{PORTAL}/1/a?q=x"}, ("repaired", "URI portal URL")),
        ({"URI": "https://data.europeana.eu/item/1/a"}, ("repaired", "URI no item URI")),
        ({"URI": ""}, ("repaired", "URI empty")),
        ({"URI": "https://www.europeana/1/a.eu"}, ("repaired", "URI unreadable")),
        ({"ID": ""}, ("repaired", "ID empty")),
        ({"ID": "n/a"}, ("repaired", "ID unreadable")),
        ({"ID": "1/a"}, ("repaired", "ID not in the form /dataset/local")),
        ({"ID": " /1/a\n"}, ("repaired", "ID stray spaces")),
        ({"ID": "/1/b"}, ("rejected", "ID contradicts URI")),
        ({"ID": "", "URI": ""}, ("rejected", "URI names no record")),
        ({"ID": "n/a", "URI": "review"}, ("rejected", "ID names no record")),
        ({"URL": "see Anna"}, ("repaired", "URL no address")),
        ({"category": "map "}, ("repaired", "category stray spaces")),
        ({"category": "Maps"}, ("repaired", "category spelling")),
        ({"category": ""}, ("repaired", "category empty")),
        ({"category": "kaart"}, ("repaired", "category unknown label")),
        ({"skos_concept": ""}, ("repaired", "skos_concept empty")),
        ({"category": "", "skos_concept": ""}, ("rejected", "category no label")),
        ({"category": "kaart", "skos_concept": ""}, ("rejected", "category unknown label")),
        ({"category": "toy"}, ("rejected", "skos_concept contradicts category")),
        ({"category": "map toy"}, ("rejected", "skos_concept contradicts category")),
        ({"skos_concept": f"{MAP}999"}, ("rejected", "skos_concept unknown concept")),
    ],
)
def test_each_kind_of_dirt_has_its_fate(tmp_path, cells, expected):
    assert _found(fate(tmp_path, **cells)) == expected


def test_an_id_that_was_cut_short_is_completed_from_the_uri(tmp_path):
    whole = "/1/" + "a" * 150
    row = fate(tmp_path, ID=whole[:120], URI=PORTAL + whole)
    assert _found(row) == ("repaired", "ID cut short", "URI portal URL")
    assert row.record.record_id == whole
    short = fate(tmp_path, ID="/1/12", URI=item_uri("/1/123"))
    assert _found(short) == ("rejected", "ID contradicts URI")


def test_several_labels_are_one_record_with_several_concepts(tmp_path):
    row = fate(tmp_path, category="toy map", skos_concept=f"{OLD_MAP} {TOY}")
    assert _found(row) == ("taken",)
    assert row.record.concepts == (MAP, TOY)


def test_a_repair_tells_what_was_and_what_is(tmp_path):
    row = fate(tmp_path, category="furniiture", skos_concept="")
    assert str(row.findings[0]) == "spelling: 'furniiture' -> 'furniture'"
    assert row.record.concepts == (VOCABULARY["furniture"],)


def test_columns_are_found_by_name_whatever_their_order_case_and_neighbours(tmp_path):
    table = f"\ufeff id ,,Category,,UNNAMED: 5,SKOS concept\r\n/1/a,x,map,y,z,{MAP}\r\n"
    (row,) = fates(tmp_path, table)
    assert (_found(row), row.record.record_id) == (("taken",), "/1/a")


def test_rows_are_numbered_by_the_line_on_which_they_begin(tmp_path):
    table = 'ID,category,remark\n/1/a,map,"broken\nover\nlines"\n\n/1/b,map\n,,,\n/1/c,map,,,x\n'
    found = [(row.line, _found(row)) for row in fates(tmp_path, table)]
    assert found == [
        (2, ("taken",)),
        (5, ("rejected", " empty row")),
        (6, ("taken",)),
        (7, ("rejected", " empty row")),
        (8, ("rejected", " too many cells")),
    ]


def test_a_row_with_broken_quotes_costs_no_other_row(tmp_path):
    table = 'ID,category\n/1/a,map\n"/1/b"x,map\n/1/c,map\n'
    assert [_found(row) for row in fates(tmp_path, table)] == [
        ("taken",),
        ("rejected", " broken quotes"),
        ("taken",),
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "line 1: must name the columns, among them ID or URI"),
        (b"ID;category\n/1/a;map\n", "line 1: must name the columns, among them ID or URI"),
        (b"ID,URL\n/1/a,x\n", "line 1: must name the columns, among them category or skos_conc"),
        (b"ID,id,category\n", "line 1: the column ID is there twice"),
        (b"ID,category\n/1/a,map\n/1/b,\0\n", "line 3: a NUL character"),
        (b"ID,category\n/1/a,map\n/1/b,Gem\xe4lde\n", "line 3: bytes that are not UTF-8"),
        ("ID,category\n/1/a,map\n".encode("utf-16"), "line 1: bytes that are not UTF-8"),
        (b'ID,category\n/1/a,map\n/1/b,"map\n/1/c,map\n', "line 3: a quote that begins here"),
        (b'ID,category\n/1/a,map\n/1/b,"' + b"x\n" * 60_000, "line 3: the row that begins here"),
    ],
)
def test_what_is_no_such_table_or_harmful_is_refused_with_its_line(tmp_path, table, message):
    with pytest.raises(UsageError, match=message):
        fates(tmp_path, table)


def test_a_line_of_a_gigabyte_is_refused_in_bounded_memory(tmp_path):
    path = tmp_path / "table.csv"
    with path.open("wb") as stream:
        stream.write(b"ID,category\n/1/a,map\n")
        stream.truncate(1 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match="line 3: the row that begins here has more than"):
            list(judge_rows(path, VOCABULARY))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.csv cannot be read: No such file"):
        list(judge_rows(tmp_path / "none.csv", VOCABULARY))


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ("clothing ", ["clothing"]),
        ("Archaeological Site", ["archaeological_site"]),
        ("costume-accessories", ["costume_accessories"]),
        ("map costume accessories toy", ["map", "costume_accessories", "toy"]),
        ("archeological site", ["archaeological_site"]),
        ("tapestries, maps;toys", ["tapestry", "map", "toy"]),
        ("ceramic", ["ceramics"]),
        ("jewelry", ["jewellery"]),
        ("furniiture", ["furniture"]),
        ("painting painting", ["painting"]),
        ("boy", []),
        ("cap", []),
        ("gun", []),
        ("map gun", []),
        ("x" * 3000, []),
    ],
)
def test_labels_are_recognised_only_where_there_is_no_doubt(written, labels):
    reading = LabelReader(VOCABULARY).read(written)
    assert list(reading.labels) == labels
    assert bool(reading.problem) == (not labels)


def test_a_label_equally_near_to_two_is_neither():
    reading = LabelReader(["printing", "painting"]).read("pginting")
    assert reading.problem.endswith("and could be any of painting, printing")


anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
dirt = st.sampled_from(
    ["", " ", "map", "Map ", "toys map", MAP, OLD_MAP, f"{MAP} {TOY}", "/1/a", "1/a", "n/a", "/1/b"]
    + [item_uri("/1/a"), f"{PORTAL}/1/a", "http://x.org/é.jpg", '"', "a\nb", "=1+1"]
)
rows_of_dirt = st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, dirt | anything)), max_size=8)


@in_one_folder
@given(rows=rows_of_dirt)
def test_any_text_in_any_cell_has_a_fate_and_every_row_has_one(tmp_path, rows):
    judged = fates(tmp_path, _table(rows))
    assert len(judged) == len(rows)
    assert all((row.record is None) == (row.fate == "rejected") for row in judged)
    assert all(bool(row.findings) == (row.fate != "taken") for row in judged)
    assert sorted(row.line for row in judged) == [row.line for row in judged]


@in_one_folder
@given(body=st.binary(max_size=200) | st.text(',"\n\r/1amp', max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path, body):
    with suppress(UsageError):
        judged = fates(tmp_path, b"ID,category\n" + body)
        assert all(row.fate in FATES for row in judged)


@in_one_folder
@given(rows=rows_of_dirt)
def test_what_was_accepted_is_taken_as_it_is_the_next_time(tmp_path, rows):
    label_of = {uri: label for label, uri in VOCABULARY.items()}
    accepted = [row.record for row in fates(tmp_path, _table(rows)) if row.record]
    again = [
        {
            "category": " ".join(label_of[uri] for uri in record.concepts),
            "skos_concept": " ".join(record.concepts),
            "URI": item_uri(record.record_id),
            "URL": record.media_url or "",
            "ID": record.record_id,
        }
        for record in accepted
    ]
    judged = fates(tmp_path, _table(again))
    assert [(row.fate, row.record) for row in judged] == [("taken", each) for each in accepted]


TABLE = f"""ID,category,URL,URI
/1/a,map,http://x.org/a,{PORTAL}/1/a
/1/b,toys,,{item_uri("/1/b")}
/1/a,toy,http://x.org/other,{item_uri("/1/a")}
/1/c,gun,,{item_uri("/1/c")}
"""
ITEMS = "SELECT record_id, concept_uri, source FROM dataset_item ORDER BY 1, 2"


@pytest.fixture
def importer(harvester):
    """The command in a folder with a table and the vocabulary of the pilot."""
    write_vocabulary(harvester.folder, VOCABULARY)
    (harvester.folder / "t.csv").write_text(TABLE)
    return harvester


def _report(importer, name="t.report.csv") -> list[dict[str, str]]:
    with (importer.folder / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_line_is_accounted_for_on_screen_and_in_the_report(importer):
    shown = importer("import", "t.csv", "--name", "d").stdout
    for row in (("taken", "1"), ("repaired", "2"), ("rejected", "1"), ("all", "4")):
        assert any(line.replace("│", " ").split() == [*row] for line in shown.splitlines())
    assert "Dataset d has 2 records now." in shown
    report = [(row["line"], row["fate"], row["column"]) for row in _report(importer)]
    assert report == [
        ("2", "repaired", "URI"),
        ("3", "repaired", "category"),
        ("4", "taken", ""),
        ("5", "rejected", "category"),
    ]
    assert _report(importer)[3]["detail"] == ("unknown label: 'gun' is no label of the vocabulary")


def test_a_record_on_several_lines_gets_the_labels_of_all_and_again_changes_nothing(importer):
    importer("import", "t.csv", "--name", "d")
    first = importer.rows(ITEMS), importer.rows("SELECT xmin, * FROM record ORDER BY id")
    assert first[0] == [("/1/a", MAP, "csv"), ("/1/a", TOY, "csv"), ("/1/b", TOY, "csv")]
    importer("import", "t.csv", "--name", "d", "--report", "again.csv")
    assert (importer.rows(ITEMS), importer.rows("SELECT xmin, * FROM record ORDER BY id")) == first
    assert _report(importer, "again.csv") == _report(importer)


def test_what_was_harvested_counts_for_more_than_the_table(importer):
    harvested = [("/1/a", "http://h.org/a", "A"), ("/2/b", None, "B")]
    with importer.engine.begin() as connection:
        upsert(connection, Record.__table__, ("id", "media_url", "title"), harvested)
        save_aliases(connection, {"/1/b": "/2/b"})
    (importer.folder / "t.csv").write_text(TABLE.replace("toys,,", "toys,http://x.org/b,"))
    shown = importer("import", "t.csv", "--name", "d").stdout
    assert importer.rows("SELECT id, media_url, title FROM record ORDER BY id") == [
        ("/1/a", "http://h.org/a", "A"),
        ("/2/b", "http://x.org/b", "B"),
    ]
    assert "1 lines have a former ID of a record." in shown


def test_a_table_without_a_usable_line_fails_and_makes_no_dataset(importer):
    (importer.folder / "t.csv").write_text("ID,category\n/1/a,gun\n")
    ended = importer("import", "t.csv", "--name", "d", exit_code=1)
    assert "No line of t.csv was taken; see t.report.csv" in ended.stderr
    assert _report(importer)[0]["fate"] == "rejected"
    assert importer.rows("SELECT name FROM dataset") == []


def test_a_harmful_table_leaves_nothing_behind(importer):
    (importer.folder / "t.csv").write_text(TABLE + "/1/d,\0,,\n")
    ended = importer("import", "t.csv", "--name", "d", exit_code=2)
    assert "t.csv, line 6: a NUL character" in ended.stderr
    assert importer.rows("SELECT name FROM dataset") + importer.rows("SELECT id FROM record") == []
    assert {path.name for path in importer.folder.iterdir()} == {"t.csv", "vocabulary.json"}


def test_the_report_never_replaces_the_table(importer):
    ended = importer("import", "t.csv", "--name", "d", "--report", "./t.csv", exit_code=2)
    assert "give another --report" in ended.stderr
    assert (importer.folder / "t.csv").read_text() == TABLE


def test_what_is_exported_is_imported_unchanged(importer):
    importer("import", "t.csv", "--name", "d")
    importer("export", "--name", "d", "d.csv")
    importer("import", "d.csv", "--name", "e")
    importer("export", "--name", "e", "e.csv")
    exported = (importer.folder / "d.csv").read_text()
    assert (importer.folder / "e.csv").read_text() == exported
    assert len(exported.splitlines()) == 3
    assert {row["fate"] for row in _report(importer, "d.report.csv")} == {"taken"}


pilot = pytest.mark.skipif(not PILOT.is_dir(), reason=f"the tables of the pilot are not in {PILOT}")


@pilot
@pytest.mark.parametrize(
    ("table", "counts", "records"),
    [
        ("eval_dataset.csv", (333, 87, 26), 418),
        ("eval_multilabel_with_URL.csv", (86, 114, 0), 200),
        ("multilabel_2000.csv", (2000, 0, 0), 1287),
        ("labelstudio_exported.csv", (1669, 0, 0), 1648),
    ],
)
def test_the_tables_of_the_pilot_lose_no_line(importer, table, counts, records):
    importer("import", str(PILOT / table), "--name", "p", "--report", "r.csv")
    lines = {row["line"]: row["fate"] for row in _report(importer, "r.csv")}
    assert Counter(lines.values()) == Counter(dict(zip(FATES, counts, strict=True)))
    assert importer.rows("SELECT count(DISTINCT record_id) FROM dataset_item") == [(records,)]


# Looked up in the files by hand.
EVAL_LINES = {
    2: ("repaired", "URI portal URL"),
    4: ("taken",),  # its unnamed last column says "shoe"
    22: ("rejected", " empty row"),
    23: ("repaired", "URI portal URL"),
    25: ("taken",),
    43: ("rejected", " empty row"),
    44: ("taken",),
    86: ("repaired", "URI portal URL", "category stray spaces"),
    104: ("repaired", "category stray spaces"),
    170: ("rejected", " empty row"),
    171: ("rejected", "ID contradicts URI"),  # item_2D5I... and item_257Z...
    172: ("repaired", "URI portal URL"),
    181: ("taken",),
    211: ("repaired", "category spelling"),  # furniiture
    367: ("taken",),
    369: ("taken",),  # line 367 once more
    380: ("repaired", "URI portal URL", "category stray spaces"),
    441: ("taken",),
    442: ("rejected", " empty row"),
    444: ("rejected", "URI names no record"),  # "review summary"
    446: ("rejected", "URI names no record"),  # a remark on lines 446 and 447
    448: ("rejected", "URI names no record"),  # a remark on lines 448 to 451
}
MULTILABEL_LINES = {
    2: ("repaired", "URI portal URL"),
    3: ("taken",),
    51: ("repaired", "ID not in the form /dataset/local", "URI portal URL"),  # no first slash
    145: ("repaired", "ID cut short", "URI portal URL"),
    158: ("repaired", "URI unreadable"),  # https://www.europeana/9200579/bwfk3pct.eu/en/item/...
    198: ("repaired", "ID cut short", "URI portal URL"),  # to the same as line 145
}


@pilot
@pytest.mark.parametrize(
    ("table", "lines"),
    [("eval_dataset.csv", EVAL_LINES), ("eval_multilabel_with_URL.csv", MULTILABEL_LINES)],
)
def test_lines_looked_up_by_hand_have_the_fate_they_should(table, lines):
    judged = {row.line: _found(row) for row in judge_rows(PILOT / table, VOCABULARY)}
    assert {line: judged[line] for line in lines} == lines


@pilot
def test_a_record_of_the_pilot_under_two_combinations_has_the_labels_of_both(importer):
    importer("import", str(PILOT / "multilabel_2000.csv"), "--name", "p", "--report", "r.csv")
    labels = importer.rows(
        "SELECT label FROM dataset_item JOIN concept ON uri = concept_uri"
        " WHERE record_id = '/154/S_JVM_photo_JvmKDAA11666' ORDER BY label"
    )
    assert labels == [("building",), ("map",), ("postcard",)]  # of lines 103 and 1893


@pilot
def test_a_table_of_something_else_is_refused(importer):
    ended = importer("import", str(PILOT / "uris_vocabularies.csv"), "--name", "p", exit_code=2)
    assert "found 'concept', 'getty_aat'" in ended.stderr
