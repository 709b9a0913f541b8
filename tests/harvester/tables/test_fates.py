"""What becomes of each row of a table."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import UsageError
from common.europeana.record_ids import item_uri
from harvester.tables.csv_export import COLUMNS
from harvester.tables.fates import FATES, judge_rows
from tests.harvester.tables.judged import (
    MAP,
    OLD_MAP,
    PORTAL,
    TOY,
    VOCABULARY,
    fate,
    fates,
    found,
    table_of,
)

in_one_folder = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


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
    assert found(fate(tmp_path, **cells)) == expected


def test_an_id_that_was_cut_short_is_completed_from_the_uri(tmp_path):
    whole = "/1/" + "a" * 150
    row = fate(tmp_path, ID=whole[:120], URI=PORTAL + whole)
    assert found(row) == ("repaired", "ID cut short", "URI portal URL")
    assert row.record.record_id == whole
    short = fate(tmp_path, ID="/1/12", URI=item_uri("/1/123"))
    assert found(short) == ("rejected", "ID contradicts URI")


def test_several_labels_are_one_record_with_several_concepts(tmp_path):
    row = fate(tmp_path, category="toy map", skos_concept=f"{OLD_MAP} {TOY}")
    assert found(row) == ("taken",)
    assert row.record.concepts == (MAP, TOY)


def test_a_repair_tells_what_was_and_what_is(tmp_path):
    row = fate(tmp_path, category="Furnitures", skos_concept="")
    assert str(row.findings[0]) == "spelling: 'Furnitures' -> 'furniture'"
    assert row.record.concepts == (VOCABULARY["furniture"],)


def test_a_misspelt_label_is_repaired_only_on_request(tmp_path):
    row = fate(tmp_path, category="furniiture", skos_concept="")
    assert found(row) == ("rejected", "category misspelt label")
    assert "'furniiture' may mean furniture" in row.findings[0].detail
    table = tmp_path / "table.csv"
    (accepted,) = judge_rows(table, VOCABULARY, accept_repairs=True)
    assert found(accepted)[:2] == ("repaired", "category spelling")
    assert accepted.record.concepts == (VOCABULARY["furniture"],)


def test_columns_are_found_by_name_whatever_their_order_case_and_neighbours(tmp_path):
    table = f"\ufeff id ,,Category,,UNNAMED: 5,SKOS concept\r\n/1/a,x,map,y,z,{MAP}\r\n"
    (row,) = fates(tmp_path, table)
    assert (found(row), row.record.record_id) == (("taken",), "/1/a")


anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
dirt = st.sampled_from(
    [
        *("", " ", "map", "Map ", "toys map", MAP, OLD_MAP, f"{MAP} {TOY}"),
        *("/1/a", "1/a", "n/a", "/1/b"),
        *(item_uri("/1/a"), f"{PORTAL}/1/a", "http://x.org/é.jpg", '"', "a\nb", "=1+1"),
    ]
)
rows_of_dirt = st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, dirt | anything)), max_size=8)


@in_one_folder
@given(rows=rows_of_dirt)
def test_any_text_in_any_cell_has_a_fate_and_every_row_has_one(tmp_path, rows):
    judged = fates(tmp_path, table_of(rows))
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
    accepted = [row.record for row in fates(tmp_path, table_of(rows)) if row.record]
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
    judged = fates(tmp_path, table_of(again))
    assert [(row.fate, row.record) for row in judged] == [("taken", each) for each in accepted]
