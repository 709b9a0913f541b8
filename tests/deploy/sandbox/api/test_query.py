"""The query language: what is understood finds exactly that, everything else is refused."""

import pytest

from deploy.sandbox.api.query import QueryError, all_of, parse_query
from deploy.sandbox.catalogue import Item
from deploy.sandbox.collection import draw_collection

ITEMS = draw_collection(items=600).items
BUILDING = "http://data.europeana.eu/concept/29"
CERAMICS = "http://data.europeana.eu/concept/31"
FIRST, SECOND = ITEMS[0].id, ITEMS[1].id


def found(text: str) -> list[Item]:
    query = parse_query(text)
    return [item for item in ITEMS if query.test(item)]


@pytest.mark.parametrize("text", ["*", "*:*", " * ", "(*)", "TYPE:*"])
def test_everything_is_found_by(text: str) -> None:
    assert len(found(text)) == len(ITEMS)


@pytest.mark.parametrize(
    "text", [f'skos_concept:"{BUILDING}"', f'"{BUILDING}"', f'( skos_concept:"{BUILDING}" )']
)
def test_a_concept_is_found_by_its_uri(text: str) -> None:
    assert found(text) == [item for item in ITEMS if BUILDING in item.concepts]


@pytest.mark.parametrize(
    "text",
    [
        f'(skos_concept:"{BUILDING}" AND TYPE:IMAGE )',
        f'skos_concept:"{BUILDING}" TYPE:"IMAGE"',
        f'TYPE:(IMAGE OR SOUND) AND (skos_concept:"{BUILDING}")',
    ],
)
def test_parts_are_joined_by_and(text: str) -> None:
    images = [item for item in ITEMS if BUILDING in item.concepts and item.type == "IMAGE"]
    assert found(text) == images
    assert len(images) < len(found(f'"{BUILDING}"'))


def test_two_concepts_are_joined_by_or_within_a_field() -> None:
    both = found(f'skos_concept:("{BUILDING}" OR "{CERAMICS}")')
    assert both == [item for item in ITEMS if {BUILDING, CERAMICS} & set(item.concepts)]


def test_two_concepts_side_by_side_are_both_demanded() -> None:
    concepts = ITEMS[22].concepts
    assert ITEMS[22] in found(f'"{concepts[0]}"AND"{concepts[1]}"')
    assert found(f'"{BUILDING}"AND"{CERAMICS}"') == []


def test_an_old_concept_uri_finds_nothing() -> None:
    assert found('skos_concept:"http://data.europeana.eu/concept/base/29"') == []


def test_ids_are_looked_up_without_going_through_all_items() -> None:
    query = parse_query(f'europeana_id:("{FIRST}" OR "{SECOND}")')
    assert query.ids == frozenset({FIRST, SECOND})
    assert all_of([query, parse_query("TYPE:IMAGE")]).ids == frozenset({FIRST, SECOND})
    assert parse_query(f'europeana_id:"{FIRST}" OR TYPE:TEXT').ids is None


def test_a_provider_is_found_by_its_quoted_name() -> None:
    crafts = found('DATA_PROVIDER:"House of Crafts"')
    assert {item.data_provider for item in crafts} == {"House of Crafts"}
    assert len(crafts) == sum(item.data_provider == "House of Crafts" for item in ITEMS)


def test_a_range_of_updates_has_both_ends() -> None:
    start = ITEMS[0].timestamp
    later = found(f"timestamp_update:[{start} TO *]")
    earlier = found(f"timestamp_update:[* TO {start}]")
    assert [item for item in later if item in earlier] == [ITEMS[0]]
    assert len(later) + len(earlier) == len(ITEMS) + 1


def test_items_with_a_direct_link_are_told_from_those_without() -> None:
    shown = found("provider_aggregation_edm_isShownBy:*")
    assert shown == [item for item in ITEMS if item.shown_by]
    assert len(shown) < len(ITEMS)


@pytest.mark.parametrize(
    "text",
    [
        "vase",
        '"Town hall"',
        "(TYPE:IMAGE",
        "TYPE:IMAGE)",
        "TYPE:",
        "TYPE:IMAGE AND",
        "AND TYPE:IMAGE",
        "NOT TYPE:IMAGE",
        "-TYPE:IMAGE",
        "TYPE:IM*",
        "TYPE:IMAGE^2",
        "TYPE:IMAGE OR TYPE:TEXT AND COUNTRY:Italy",
        f"skos_concept:{BUILDING}",
        'skos_concept:"unclosed',
        "no_such_field:x",
        "timestamp_update:[2024-01-01 TO *]",
        "timestamp_update:[2024-13-01T00:00:00Z TO *]",
        'provider_aggregation_edm_isShownBy:"http://127.0.1.1/x.jpg"',
    ],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        parse_query(text)
