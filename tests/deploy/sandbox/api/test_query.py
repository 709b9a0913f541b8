"""The query language: what is understood finds exactly that, everything else is refused."""

import pytest

from deploy.sandbox.api.query import QueryError, all_of, parse_query
from deploy.sandbox.catalogue import Item
from deploy.sandbox.collection import draw_collection

ITEMS = draw_collection(items=600).items
BUILDING = "http://data.europeana.eu/concept/29"
CERAMICS = "http://data.europeana.eu/concept/31"
FIRST, SECOND = ITEMS[0].id, ITEMS[1].id


def found(*texts: str) -> list[Item]:
    query = all_of(map(parse_query, texts))
    return [item for item in ITEMS if query.test(item)]


def test_everything_is_found_by_a_star() -> None:
    assert found("*") == list(ITEMS)


def test_a_concept_is_found_by_its_uri() -> None:
    in_buildings = [item for item in ITEMS if BUILDING in item.concepts]
    assert found(f'skos_concept:"{BUILDING}"') == in_buildings


def test_several_queries_all_hold() -> None:
    images = [item for item in ITEMS if BUILDING in item.concepts and item.type == "IMAGE"]
    assert found(f'skos_concept:"{BUILDING}"', "TYPE:IMAGE") == images
    assert len(images) < len(found(f'skos_concept:"{BUILDING}"'))


def test_two_concepts_are_joined_by_or_within_a_field() -> None:
    both = found(f'skos_concept:("{BUILDING}" OR "{CERAMICS}")')
    assert both == [item for item in ITEMS if {BUILDING, CERAMICS} & set(item.concepts)]


def test_an_old_concept_uri_finds_nothing() -> None:
    assert found('skos_concept:"http://data.europeana.eu/concept/base/29"') == []


def test_ids_are_looked_up_without_going_through_all_items() -> None:
    query = parse_query(f'europeana_id:("{FIRST}" OR "{SECOND}")')
    assert query.ids == frozenset({FIRST, SECOND})
    assert all_of([query, parse_query("TYPE:IMAGE")]).ids == frozenset({FIRST, SECOND})
    assert parse_query("TYPE:TEXT").ids is None


@pytest.mark.parametrize(
    "text",
    [
        "vase",
        '"Town hall"',
        "(TYPE:IMAGE",
        "TYPE:",
        "TYPE:IMAGE AND",
        "NOT TYPE:IMAGE",
        "TYPE:IM*",
        "TYPE:(IMAGE TEXT)",
        f"skos_concept:{BUILDING}",
        'skos_concept:"unclosed',
        "no_such_field:x",
    ],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        parse_query(text)
