"""The Search API over HTTP: envelope, profiles, filters, paging, cursors, refusals."""

from typing import Any
from urllib.parse import quote

import pytest
import requests

from deploy.sandbox.api.rights import REUSABILITY
from deploy.sandbox.server import Sandbox
from tests.deploy.sandbox.conftest import Search

BUILDING = "http://data.europeana.eu/concept/29"


def harvest(search: Search, **parameters: Any) -> tuple[list[str], list[int]]:
    """The IDs of all pages in order, and the size of each page."""
    ids: list[str] = []
    sizes: list[int] = []
    cursor: str | None = "*"
    while cursor is not None:
        body = search(cursor=cursor, **parameters).json()
        ids += [item["id"] for item in body["items"]]
        sizes.append(body["itemsCount"])
        cursor = body.get("nextCursor")
    return ids, sizes


def refusal(response: requests.Response) -> tuple[int, str]:
    body = response.json()
    assert body["success"] is False
    assert body["error"]
    return response.status_code, body["code"]


def test_an_answer_says_how_many_there_are(search: Search) -> None:
    body = search().json()
    assert (body["success"], body["itemsCount"], body["totalResults"]) == (True, 12, 600)
    assert "nextCursor" not in body


def test_empty_members_are_left_out(search: Search, sandbox: Sandbox) -> None:
    hidden = next(item.id for item in sandbox.catalogue.items if not item.shown_by)
    item = search(f'europeana_id:"{hidden}"').json()["items"][0]
    assert "edmIsShownBy" not in item
    assert "edmPreview" in item


def test_refinements_add_up(search: Search) -> None:
    both = search(qf=[f'skos_concept:"{BUILDING}"', "TYPE:TEXT"]).json()
    assert both["totalResults"] == 2
    assert search(f'skos_concept:"{BUILDING}"').json()["totalResults"] == 100


@pytest.mark.parametrize("category", ["open", "restricted", "permission"])
def test_reusability_is_decided_by_the_rights(search: Search, category: str) -> None:
    found = search(reusability=category, rows=100).json()
    assert found["totalResults"] > 40
    for item in found["items"]:
        assert item["rights"][0].startswith(REUSABILITY[category])


def test_several_reusabilities_are_united(search: Search) -> None:
    def total(**parameters: Any) -> int:
        return int(search(**parameters).json()["totalResults"])

    parts = total(reusability="open") + total(reusability="restricted")
    assert total(reusability="open,restricted") == parts
    assert parts + total(reusability="permission") == 600


def test_more_than_100_rows_are_cut_without_a_word(search: Search) -> None:
    assert search(rows=1000).json()["itemsCount"] == 100


def test_a_harvest_ends_with_a_page_without_a_cursor(search: Search) -> None:
    ids, sizes = harvest(search, rows=100)
    assert (len(ids), len(set(ids)), sizes) == (600, 600, [100] * 6 + [0])
    _, sizes = harvest(search, rows=70, qf="TYPE:IMAGE")
    assert sizes == [70] * 8 + [36, 0]


def test_a_cursor_has_characters_that_must_be_encoded_once(
    search: Search, sandbox: Sandbox, client: requests.Session
) -> None:
    cursor = search(rows=5, cursor="*").json()["nextCursor"]
    assert {"+", "/", "="} <= set(cursor)
    url = f"{sandbox.url}/record/v2/search.json?query=*&rows=5&cursor="
    assert client.get(url + quote(cursor, safe=""), timeout=10).status_code == 200
    assert refusal(client.get(url + cursor, timeout=10)) == (400, "400-SC")
    twice = quote(quote(cursor, safe=""), safe="")
    assert refusal(client.get(url + twice, timeout=10)) == (400, "400-SC")


@pytest.mark.parametrize(
    "other",
    [{"qf": "TYPE:IMAGE"}, {"sort": "random_a,europeana_id"}, {"reusability": "open"}],
)
def test_a_cursor_belongs_to_one_search(search: Search, other: dict[str, str]) -> None:
    cursor = search(cursor="*").json()["nextCursor"]
    assert refusal(search(cursor=cursor, **other)) == (400, "400-SC")


def test_ids_sort_descending(search: Search) -> None:
    ids, _ = harvest(search, rows=100, sort="europeana_id")
    assert ids == sorted(ids, reverse=True)


def test_a_seed_makes_random_order_a_complete_harvest(search: Search) -> None:
    first, _ = harvest(search, rows=100, sort="random_abc,europeana_id")
    again, _ = harvest(search, rows=100, sort="random_abc,europeana_id")
    other, _ = harvest(search, rows=100, sort="random_xyz,europeana_id")
    assert first == again != other
    assert len(set(first)) == 600


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"query": "   "}, "400-SE"),
        ({"query": "(TYPE:IMAGE"}, "400-SA"),
        ({"qf": "vase"}, "400-SA"),
        ({"sort": "colour"}, "400-SA"),
        ({"rows": "many"}, "400-SA"),
        ({"reusability": "free"}, "400-SA"),
        ({"theme": "art"}, "400-SA"),
        ({"cursor": "nonsense"}, "400-SC"),
    ],
)
def test_a_wrong_parameter_is_refused(
    search: Search, parameters: dict[str, Any], code: str
) -> None:
    assert refusal(search(**parameters)) == (400, code)
