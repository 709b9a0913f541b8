import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InvalidRecordIdError
from common.europeana.record_ids import MAX_LENGTH, item_uri, parse_record_id
from common.store.tables import RECORD_ID_PATTERN

PART = st.text("ABCxyz019_", min_size=1, max_size=60)
RECORD_ID = st.builds("/{}/{}".format, PART, PART)
AROUND = st.sampled_from(["", " ", "\t", "\r\n", "\u00a0"])
PREFIXES = [
    "",
    "http://data.europeana.eu/item",
    "https://data.europeana.eu/item",
    "https://www.europeana.eu/item",
    "https://www.europeana.eu/en/item",
    "https://europeana.eu/nl/item",
    "http://www.europeana.eu/portal/record",
    "http://www.europeana.eu/portal/en/record",
    "http://www.europeana.eu/resolve/record",
]


@given(RECORD_ID, st.sampled_from(PREFIXES), AROUND, AROUND)
def test_every_accepted_form_gives_the_same_id(record_id, prefix, before, after):
    assert parse_record_id(before + prefix + record_id + after) == record_id


@given(RECORD_ID, st.sampled_from(PREFIXES[1:]), st.sampled_from([".html", ""]), st.text())
def test_query_and_fragment_of_a_web_address_do_not_matter(record_id, prefix, suffix, query):
    for separator in "?#":
        assert parse_record_id(f"{prefix}{record_id}{suffix}{separator}{query}") == record_id


@given(RECORD_ID)
def test_the_item_uri_of_an_id_parses_to_that_id(record_id):
    assert parse_record_id(item_uri(record_id)) == record_id


@given(st.text() | st.from_regex(r"[/a-z0-9:.?#_]{0,40}", fullmatch=True))
def test_any_text_is_an_id_that_the_store_takes_or_a_usage_error(text):
    with suppress(InvalidRecordIdError):
        record_id = parse_record_id(text)
        assert re.fullmatch(RECORD_ID_PATTERN, record_id)
        assert len(record_id) <= MAX_LENGTH


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/1",
        "/1/",
        "//2",
        "/1/2/",
        "/1/2/3",
        "1/2",
        "/1/a-b",
        "/1/a.b",
        "/1/a b",
        "/1/é",
        "/1/４",
        "/1/2\n/3/4",
        "/1/2?q=x",
        "/1http://data.europeana.eu/item/2",
        "see http://data.europeana.eu/item/1/2",
        "http://data.europeana.eu/agent/1/2",
        "http://data.europeana.eu.example.org/item/1/2",
        "ftp://data.europeana.eu/item/1/2",
        "https://www.europeana.eu/en/item",
        "https://www.europeana.eu/en/collections/1/2",
    ],
)
def test_what_is_no_id_is_refused(text):
    with pytest.raises(InvalidRecordIdError, match="is not a record ID"):
        parse_record_id(text)


def test_a_portal_url_may_be_longer_than_an_id():
    url = "https://www.europeana.eu/en/item/1/2?q=" + "x" * 2 * MAX_LENGTH
    assert parse_record_id(url) == "/1/2"


def test_an_endless_id_is_refused_with_its_beginning():
    with pytest.raises(InvalidRecordIdError, match=r"'/1/xxx.*is too long") as refusal:
        parse_record_id("/1/" + "x" * 1_000_000)
    assert len(str(refusal.value)) < 100
