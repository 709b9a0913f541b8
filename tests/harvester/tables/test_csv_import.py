"""`harvester import`: tables become datasets, and every line is reported."""

import openpyxl
import pytest

from common.europeana.record_ids import item_uri
from common.store.bulk import upsert
from common.store.records import save_aliases
from common.store.tables import Record
from tests.harvester.tables.judged import MAP, PORTAL, TOY, report_of

TABLE = f"""ID,category,URL,URI
/1/a,map,http://x.org/a,{PORTAL}/1/a
/1/b,toys,,{item_uri("/1/b")}
/1/a,toy,http://x.org/other,{item_uri("/1/a")}
/1/c,gun,,{item_uri("/1/c")}
"""
ITEMS = "SELECT record_id, concept_uri, source FROM dataset_item ORDER BY 1, 2"


@pytest.fixture
def importer(importer):
    """The command, with a table in its folder."""
    (importer.folder / "t.csv").write_text(TABLE)
    return importer


def test_every_line_is_accounted_for_on_screen_and_in_thereport_of(importer):
    shown = importer("import", "t.csv", "--dataset", "d").stdout
    for row in (("1", "taken"), ("2", "repaired"), ("1", "rejected"), ("4", "all")):
        assert any(line.split() == [*row] for line in shown.splitlines())
    assert "Dataset d has 2 records now." in shown
    report = [(row["line"], row["fate"], row["column"]) for row in report_of(importer)]
    assert report == [
        ("2", "repaired", "URI"),
        ("3", "repaired", "category"),
        ("4", "taken", ""),
        ("5", "rejected", "category"),
    ]
    assert report_of(importer)[3]["detail"] == (
        "unknown label: 'gun' is no label of the vocabulary"
    )


def test_a_record_on_several_lines_gets_the_labels_of_all_and_again_changes_nothing(importer):
    importer("import", "t.csv", "--dataset", "d")
    first = importer.rows(ITEMS), importer.rows("SELECT xmin, * FROM record ORDER BY id")
    assert first[0] == [("/1/a", MAP, "csv"), ("/1/a", TOY, "csv"), ("/1/b", TOY, "csv")]
    importer("import", "t.csv", "--dataset", "d", "--report", "again.csv")
    assert (importer.rows(ITEMS), importer.rows("SELECT xmin, * FROM record ORDER BY id")) == first
    assert report_of(importer, "again.csv") == report_of(importer)


def test_what_was_harvested_counts_for_more_than_the_table(importer):
    harvested = [("/1/a", "http://h.org/a", "A"), ("/2/b", None, "B")]
    with importer.engine.begin() as connection:
        upsert(connection, Record.__table__, ("id", "media_url", "title"), harvested)
        save_aliases(connection, {"/1/b": "/2/b"})
    (importer.folder / "t.csv").write_text(TABLE.replace("toys,,", "toys,http://x.org/b,"))
    shown = importer("import", "t.csv", "--dataset", "d").stdout
    assert importer.rows("SELECT id, media_url, title FROM record ORDER BY id") == [
        ("/1/a", "http://h.org/a", "A"),
        ("/2/b", "http://x.org/b", "B"),
    ]
    assert "1 lines have a former ID of a record." in shown


def test_a_table_without_a_usable_line_fails_and_makes_no_dataset(importer):
    (importer.folder / "t.csv").write_text("ID,category\n/1/a,gun\n")
    ended = importer("import", "t.csv", "--dataset", "d", exit_code=1)
    assert "No line of t.csv was accepted. The reasons are in t.report.csv" in ended.stderr
    assert report_of(importer)[0]["fate"] == "rejected"
    assert importer.rows("SELECT name FROM dataset") == []


def test_a_harmful_table_leaves_nothing_behind(importer):
    (importer.folder / "t.csv").write_text(TABLE + "/1/d,\0,,\n")
    ended = importer("import", "t.csv", "--dataset", "d", exit_code=2)
    assert "t.csv, line 6: there is a NUL character" in ended.stderr
    assert importer.rows("SELECT name FROM dataset") + importer.rows("SELECT id FROM record") == []
    assert {path.name for path in importer.folder.iterdir()} == {"t.csv", "vocabulary.json"}


def test_the_report_never_replaces_the_table(importer):
    ended = importer("import", "t.csv", "--dataset", "d", "--report", "./t.csv", exit_code=2)
    assert "give another --report" in ended.stderr
    assert (importer.folder / "t.csv").read_text() == TABLE


def test_what_is_exported_is_imported_unchanged(importer):
    importer("import", "t.csv", "--dataset", "d")
    importer("export", "--dataset", "d", "d.csv")
    importer("import", "d.csv", "--dataset", "e")
    importer("export", "--dataset", "e", "e.csv")
    exported = (importer.folder / "d.csv").read_text()
    assert (importer.folder / "e.csv").read_text() == exported
    assert len(exported.splitlines()) == 3
    assert {row["fate"] for row in report_of(importer, "d.report.csv")} == {"taken"}


MUSEUM = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
<http://example.org/map> a skos:Concept ; skos:prefLabel "maps"@en, "χάρτες"@el ;
    skos:altLabel "charts"@en .
"""


def test_a_vocabulary_with_another_label_renames_nothing_unless_it_is_asked_to(importer):
    importer("import", "t.csv", "--dataset", "d")
    vocabulary = importer.folder / "vocabulary.json"
    vocabulary.write_text(vocabulary.read_text().replace('"map"', '"karte"'))
    table = importer.folder / "t.csv"
    table.write_text(table.read_text().replace(",map,", ",karte,"))
    refused = importer("import", "t.csv", "--dataset", "d", exit_code=2)
    assert "'map' in the dataset and 'karte' here" in refused.output
    assert importer.rows("SELECT version FROM vocabulary") == [(1,)]
    importer("import", "t.csv", "--dataset", "e")
    importer("import", "t.csv", "--dataset", "d", "--rename-labels")
    for name in ("d", "e"):
        importer("export", "--dataset", name, f"{name}.csv")
        assert "\nkarte" in (importer.folder / f"{name}.csv").read_text()


def test_labels_of_any_language_and_alternatives_are_read(importer):
    (importer.folder / "museum.ttl").write_text(MUSEUM)
    table = "category,ID\nχάρτες,/1/a\nCharts,/1/b\nστρατός,/1/c\n"
    (importer.folder / "greek.csv").write_text(table)
    importer("import", "greek.csv", "--dataset", "d", "--vocab-json", "museum.ttl")
    assert [(row["line"], row["fate"]) for row in report_of(importer, "greek.report.csv")] == [
        ("2", "repaired"), ("3", "repaired"), ("4", "rejected"),
    ]  # fmt: skip
    assert importer.rows("SELECT DISTINCT concept_uri FROM dataset_item") == [
        ("http://example.org/map",)
    ]


def test_an_excel_file_with_its_own_column_names_is_imported(importer):
    book = openpyxl.Workbook()
    for row in (("Objekt", "Kategorie"), ("/1/a", "map"), ("/1/b", "gun"), (None, None)):
        book.active.append(row)
    book.create_sheet("Notizen").append(["to do"])
    book.save(importer.folder / "t.xlsx")
    names = ("--column", "ID=Objekt", "--column", "Category=kategorie")
    shown = importer("import", "t.xlsx", "--dataset", "d", *names).stdout
    assert [(row["line"], row["fate"], row["detail"]) for row in report_of(importer)] == [
        ("2", "taken", ""),
        ("3", "rejected", "unknown label: 'gun' is no label of the vocabulary"),
        ("4", "rejected", "sheet not read: 'Notizen'; only 'Sheet', the first sheet, is read"),
    ]
    assert importer.rows(ITEMS) == [("/1/a", MAP, "csv")]
    assert "Warning" not in shown


def test_latin_1_is_imported_with_a_warning(importer):
    (importer.folder / "t.csv").write_bytes("ID,category,r\n/1/a,map,ü\n".encode("latin-1"))
    shown = importer("import", "t.csv", "--dataset", "d").stdout
    assert "Warning: 1 line is not in UTF-8. Latin-1 was used instead." in shown


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["title=x"], "must be OURS=NAME"),
        (["ID"], "must be OURS=NAME"),
        (["ID=a", "id=b"], "each of these columns at most once"),
        (
            ["ID=Objekt"],
            "t.csv, line 1: there is no column 'Objekt'. The columns are: 'ID', 'category'",
        ),
    ],
)
def test_a_column_that_is_not_ours_or_not_theirs_is_refused(importer, given, message):
    named = [part for each in given for part in ("--column", each)]
    ended = importer("import", "t.csv", "--dataset", "d", *named, exit_code=2)
    assert message in " ".join(ended.stderr.split())
