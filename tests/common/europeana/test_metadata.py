import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ApiError
from common.europeana.metadata import (
    RecordAnswer,
    RecordMetadata,
    SearchAnswer,
    SearchItem,
    parse_answer,
)

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "europeana" / "samples"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="needs ../shared/europeana")

ITEM = {
    "id": "/1/a",
    "type": "IMAGE",
    "title": ["A map"],
    "rights": ["http://creativecommons.org/publicdomain/mark/1.0/"],
    "dataProvider": ["A museum"],
    "edmIsShownBy": ["http://x.org/a.jpg"],
    "edmPreview": ["https://api.europeana.eu/thumbnail/v2/url.json?uri=http%3A%2F%2Fx&type=IMAGE"],
    "edmConcept": ["http://data.europeana.eu/concept/base/43", "http://vocab.getty.edu/aat/1"],
}
OBJECT = {
    "about": "/1/a",
    "type": "IMAGE",
    "title": ["A map"],
    "aggregations": [
        {"about": "/aggregation/aggregator/1/a", "edmIsShownBy": "http://wrong.org/a.jpg"},
        {
            "about": "/aggregation/provider/1/a",
            "edmIsShownBy": "http://x.org/a.jpg",
            "edmRights": {"def": ["http://creativecommons.org/publicdomain/mark/1.0/"]},
            "edmDataProvider": {"def": ["http://data.europeana.eu/organization/1"]},
        },
    ],
    "europeanaAggregation": {"edmPreview": ITEM["edmPreview"][0]},
    "organizations": [
        {
            "about": "http://data.europeana.eu/organization/1",
            "prefLabel": {"de": ["Ein Museum"], "en": ["A museum"]},
        }
    ],
    "concepts": [{"about": uri} for uri in ITEM["edmConcept"]],
}
RECORD = RecordMetadata(
    id="/1/a",
    media_url="http://x.org/a.jpg",
    preview_url=ITEM["edmPreview"][0],
    rights="http://creativecommons.org/publicdomain/mark/1.0/",
    data_provider="A museum",
    type="IMAGE",
    title="A map",
    concepts=("http://data.europeana.eu/concept/43", "http://vocab.getty.edu/aat/1"),
)


def item(**changes):
    return parse_answer(SearchItem, ITEM | changes, "Search API").metadata()


def record(**changes):
    return parse_answer(RecordAnswer, {"object": OBJECT | changes}, "Record API").object.metadata()


def test_both_apis_say_the_same_of_a_record():
    assert item() == record() == RECORD


@pytest.mark.parametrize("name", [name for name in ITEM if name != "id"])
def test_a_member_of_an_item_may_be_absent_or_null(name):
    rest = {key: value for key, value in ITEM.items() if key != name}
    absent = parse_answer(SearchItem, rest, "Search API").metadata()
    assert absent == item(**{name: None}) == item(**{name: []})
    assert absent != RECORD


@pytest.mark.parametrize(
    ("aggregation", "media_url"),
    [
        (
            {"edmIsShownBy": "http://a", "edmObject": "http://b", "hasView": ["http://c"]},
            "http://a",
        ),
        ({"edmObject": "http://b", "hasView": ["http://c"]}, "http://b"),
        ({"hasView": ["http://c", "http://d"]}, "http://c"),
        ({}, None),
    ],
)
def test_the_best_file_of_a_record_is_taken(aggregation, media_url):
    assert record(aggregations=[aggregation]).media_url == media_url


def test_a_title_that_only_a_proxy_has_is_found():
    proxies = [{}, {"dcTitle": {"fr": ["Carte"], "en": ["Map"]}}]
    assert record(title=None, proxies=proxies).title == "Map"


def test_a_provider_that_is_not_explained_keeps_its_uri():
    named = record(organizations=[])
    assert named.data_provider == "http://data.europeana.eu/organization/1"


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        ("https://x.org/a?wskey=K", "https://x.org/a"),
        ("https://x.org/a?wskey=K&uri=b", "https://x.org/a?uri=b"),
        ("https://x.org/a?uri=b&wskey=K", "https://x.org/a?uri=b"),
        ("https://x.org/a?uri=b&WSKEY=K&size=w400", "https://x.org/a?uri=b&size=w400"),
        ("https://x.org/a?utm_campaign=K&wskey=K", "https://x.org/a"),
        ("https://x.org/a?notwskey=1&v=%26wskey=2", "https://x.org/a?notwskey=1&v=%26wskey=2"),
        ("http://x.org/a b?é=1", "http://x.org/a b?é=1"),
    ],
)
def test_no_url_keeps_a_key(given_url, kept):
    assert item(edmPreview=[given_url]).preview_url == kept
    assert item(edmIsShownBy=[given_url]).media_url == kept


def test_what_holds_keys_for_certain_is_not_read():
    found = item(guid="https://x.org?utm_campaign=K1", link="https://x.org?wskey=K1", apikey="K1")
    assert "K1" not in str(found)


def test_texts_are_what_postgres_can_hold():
    broken = json.loads('["a\\u0000b \\ud800 c"]')
    title = item(title=broken).title
    assert title == "ab ? c"
    assert title.encode()


@given(st.text())
def test_any_text_becomes_one_that_can_be_stored_or_none(text):
    title = item(title=[text]).title
    assert title is None or ("\x00" not in title and title.strip() and title.encode())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"items": [ITEM]}, "totalResults: it is missing"),
        ({"totalResults": 1, "items": [{}]}, "items.0.id: it is missing"),
        (
            {"totalResults": 1, "items": [ITEM | {"id": "1/a"}]},
            "items.0.id: the text has",
        ),
        ({"totalResults": 1, "items": [ITEM | {"id": "/1/a\n"}]}, "items.0.id: "),
        ({"totalResults": 1, "items": [ITEM | {"title": 7}]}, "items.0.title: .*expected a text"),
        ({"totalResults": 1, "items": {"a": 1}}, "items: "),
        ({"totalResults": 1, "itemsCount": 1, "results": [ITEM]}, "`items` is missing"),
        ({"totalResults": -1, "items": []}, "totalResults: "),
    ],
)
def test_a_changed_search_answer_is_told_by_what_is_different(body, message):
    with pytest.raises(ApiError, match=f"The Search API answers .* form: .*{message}"):
        parse_answer(SearchAnswer, body, "Search API")


@pytest.mark.parametrize("name", ["about", "aggregations"])
def test_a_record_without_its_core_is_told(name):
    rest = {key: value for key, value in OBJECT.items() if key != name}
    with pytest.raises(ApiError, match=f"object.{name}: it is missing"):
        parse_answer(RecordAnswer, {"object": rest}, "Record API")


def test_the_message_about_a_changed_answer_stays_short():
    body = {"totalResults": 100, "items": [{"secret": "hunter2" * 1000}] * 100}
    with pytest.raises(ApiError) as refusal:
        parse_answer(SearchAnswer, body, "Search API")
    assert len(str(refusal.value)) < 300
    assert "hunter2" not in str(refusal.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(OBJECT)), json_values)
def test_whatever_a_member_of_a_record_is_it_is_metadata_or_an_api_error(name, value):
    changed = copy.deepcopy(OBJECT) | {name: value}
    try:
        found = parse_answer(RecordAnswer, {"object": changed}, "Record API").object.metadata()
    except ApiError:
        return
    assert isinstance(found, RecordMetadata)


@needs_samples
@pytest.mark.parametrize(
    ("path", "count"),
    [("search_rich_27items.json", 27), ("search_live_2026-09-06_reduced.json", 2)],
)
def test_real_search_answers_are_read(path, count):
    body = json.loads((SAMPLES / "search" / path).read_text())
    answer = parse_answer(SearchAnswer, body, "Search API")
    records = [found.metadata() for found in answer.items]
    assert len(records) == count
    assert all(found.title and found.data_provider for found in records)
    assert "api2demo" not in str(records)


@needs_samples
def test_a_real_item_without_id_is_told():
    path = SAMPLES / "search" / "search_with_nextCursor_2026_doc.json"
    with pytest.raises(ApiError, match="items.0.id: it is missing"):
        parse_answer(SearchAnswer, json.loads(path.read_text()), "Search API")


@needs_samples
@pytest.mark.parametrize(
    ("path", "media_url", "data_provider"),
    [
        (
            "record_old_2014_no_isshownby.json",
            "http://arnold.limburg.be/alfresco/guestDownload/direct/workspace/SpacesStore/"
            "531907e5-ea29-4179-b46f-33336a7d6b32/531907e5-ea29-4179-b46f-33336a7d6b32_MEDIUM.png",
            "Provinciaal Centrum voor Cultureel Erfgoed",
        ),
        (
            "record_shape_2026_image.json",
            "https://lh3.googleusercontent.com/example=s0",
            "Rijksmuseum",
        ),
    ],
)
def test_real_records_are_read(path, media_url, data_provider):
    body = json.loads((SAMPLES / "record" / path).read_text())
    found = parse_answer(RecordAnswer, body, "Record API").object.metadata()
    assert found.media_url == media_url
    assert found.data_provider == data_provider
    assert found.title
