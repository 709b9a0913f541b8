"""Searches: fields, pages, profiles, and what is refused."""

from collections.abc import Iterator

import pytest

from deploy.sandbox.annotations.store import BASE
from deploy.sandbox.annotations.tokens import ApiClient
from tests.deploy.sandbox.annotations.conftest import CONCEPT, Writer, tag, writing

CREATOR = ApiClient("sandbox", "").creator


@pytest.fixture(scope="module")
def filled() -> Iterator[Writer]:
    """Numbers 1 to 4: two concepts in each of two records; 4 was reported."""
    with writing() as writer:
        for record in ("/1/a", "/1/b"):
            for concept in (48, 49):
                writer.post(tag(concept, record))
        writer.annotations.report(4)
        yield writer


def numbers(writer: Writer, query: str, **parameters: object) -> list[int]:
    page = writer.search(query, profile="minimal", **parameters).json()
    return [int(uri.removeprefix(BASE)) for uri in page.get("items", [])]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("*:*", [1, 2, 3, 4]),
        ('target_record_id:"/1/a"', [1, 2]),
        (f'body_uri:"{CONCEPT}48"', [1, 3]),
        (f'target_record_id:"/1/b" AND body_uri:"{CONCEPT}48"', [3]),
        (f'creator_uri:"{CREATOR}"', [1, 2, 3, 4]),
        (f'creator_uri:"{CREATOR}" AND moderation_score:[* TO -1]', [4]),
        ("moderation_score:0", [1, 2, 3]),
        ('generator_uri:"https://api.europeana.eu/apikey/other"', []),
        ("motivation:tagging", [1, 2, 3, 4]),
        ("motivation:linking", []),
    ],
)
def test_fields_are_combined(filled: Writer, query: str, found: list[int]) -> None:
    assert numbers(filled, query) == found


def test_refinements_narrow_a_query(filled: Writer) -> None:
    assert numbers(filled, "*:*", qf=['target_record_id:"/1/b"', "moderation_score:-1"]) == [4]


def test_pages_lead_through_all(filled: Writer) -> None:
    first = filled.search("motivation:tagging", pageSize=3).json()
    assert (first["type"], first["total"], first["partOf"]["total"]) == ("AnnotationPage", 3, 4)
    assert [item["id"] for item in first["items"]] == [f"{BASE}{number}" for number in (1, 2, 3)]
    assert first["items"][0]["body"] == f"{CONCEPT}48"
    assert "wskey" not in first["next"]
    assert "prev" not in first
    last = filled.get(first["next"].removeprefix(filled.url)).json()
    assert [item["id"] for item in last["items"]] == [f"{BASE}4"]
    assert "next" not in last
    assert filled.get(last["prev"].removeprefix(filled.url)).json() == first


def test_a_large_page_is_cut_unless_it_shows_numbers_alone(writer: Writer) -> None:
    for concept in range(101):
        writer.post(tag(concept))
    assert writer.search("*:*", pageSize=1000).json()["total"] == 100
    assert len(numbers(writer, "*:*", pageSize=1000)) == 101


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": " "},
        {"query": "canonical:x"},
        {"query": "motivation:tagging OR motivation:linking"},
        {"query": "body_uri:http://x.example"},
        {"query": 'moderation_score:"low"'},
        {"query": "*:*", "profile": "facets"},
        {"query": "*:*", "page": "-1"},
        {"query": "*:*", "sort": "created"},
    ],
)
def test_what_is_not_understood_is_refused(filled: Writer, parameters: dict[str, str]) -> None:
    assert filled.get("/annotation/search", **parameters).status_code == 400


def test_a_search_needs_the_key(filled: Writer) -> None:
    assert filled.search("*:*", wskey="").status_code == 401
