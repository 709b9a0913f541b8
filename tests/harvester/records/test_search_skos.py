"""Harvests by SKOS: exact matches, narrower concepts, and more URIs than one query can name."""

from collections import Counter
from dataclasses import replace

import pytest

from deploy.sandbox.server import Sandbox
from tests.harvester.conftest import VOCABULARY

JEWELLERY, MAP = VOCABULARY["jewellery"], VOCABULARY["map"]
RING = "http://museum.example/ring"
AAT = "http://vocab.getty.edu/aat/300028094"
HARVEST = ("records", "--vocab-json", "v.ttl", "--dataset", "d")
ITEMS = """
    SELECT item.record_id, concept.uri FROM dataset_item AS item
    JOIN concept ON concept.uri = item.concept_uri ORDER BY 1, 2
"""
CURSOR = "SELECT search, cursor, taken FROM harvest_cursor"
SKOS = f"""
    @prefix skos: <http://www.w3.org/2004/02/skos/core#> .
    <{JEWELLERY}> a skos:Concept ; skos:prefLabel "jewellery"@en .
    <{RING}> a skos:Concept ; skos:prefLabel "ring"@en, "Ring"@de ; skos:broader <{JEWELLERY}> .
    <{MAP}> a skos:Concept ; skos:prefLabel "map"@en ; skos:exactMatch <{AAT}> .
"""


@pytest.fixture
def museum(harvester):
    (harvester.folder / "v.ttl").write_text(SKOS)


def having(catalogue, changes):
    """The catalogue in which images of a concept have others, in turn."""
    turn = Counter()

    def changed(item):
        concept = item.concepts[0]
        if item.type != "IMAGE" or len(item.concepts) > 1 or concept not in changes:
            return item
        turn[concept] += 1
        return replace(item, concepts=changes[concept][turn[concept] % len(changes[concept])])

    return replace(catalogue, items=[changed(item) for item in catalogue.items])


def with_concept(catalogue, concept):
    return {each.id for each in catalogue.items if concept in each.concepts} & {
        each.id for each in catalogue.items if each.type == "IMAGE"
    }


def labelled(harvester, concept):
    return {record_id for record_id, found in harvester.rows(ITEMS) if found == concept}


@pytest.mark.usefixtures("museum")
def test_a_record_that_has_only_the_exact_match_gets_the_concepts_label(
    harvester, catalogue, use_sandbox
):
    changed = having(catalogue, {MAP: [[MAP], [AAT]]})
    with Sandbox(changed) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST, "--n", "500", "--concept", "map")
    assert labelled(harvester, MAP) == with_concept(changed, MAP) | with_concept(changed, AAT)
    assert harvester.rows("SELECT DISTINCT concept_uri FROM dataset_item") == [(MAP,)]


@pytest.mark.usefixtures("museum")
def test_with_narrower_a_record_of_a_narrower_concept_gets_the_broader_label_alone(
    harvester, catalogue, use_sandbox
):
    changed = having(catalogue, {JEWELLERY: [[JEWELLERY], [RING]]})
    with Sandbox(changed) as sandbox:
        use_sandbox(sandbox)
        ended = harvester(*HARVEST, "--n", "500", "--concept", "jewellery", "--narrower")
    rings = with_concept(changed, RING)
    assert rings < labelled(harvester, JEWELLERY)
    assert not labelled(harvester, RING)
    assert "Searches to make, each of a request or more: 1\n" in ended.stderr


@pytest.mark.usefixtures("museum")
@pytest.mark.parametrize(("mode", "rings_are_jewellery"), [("multi", True), ("single", False)])
def test_a_ring_is_jewellery_as_well_only_where_records_may_have_several_labels(
    harvester, catalogue, use_sandbox, mode, rings_are_jewellery
):
    changed = having(catalogue, {JEWELLERY: [[JEWELLERY], [RING], [JEWELLERY, RING]]})
    with Sandbox(changed) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST, "--n", "500", "--narrower", "--mode", mode)
    rings = with_concept(changed, RING)
    assert labelled(harvester, RING) == rings
    assert (rings < labelled(harvester, JEWELLERY)) == rings_are_jewellery
    assert rings.isdisjoint(labelled(harvester, JEWELLERY)) != rings_are_jewellery


@pytest.mark.usefixtures("sandbox")
def test_a_search_without_matches_is_stored_as_it_always_was(harvester):
    """So harvests go on after an upgrade."""
    harvester("records", "--dataset", "d", "--n", "5", "--concept", "map")
    ((search, cursor, taken),) = harvester.rows(CURSOR)
    assert search == {
        "query": "*",
        "refinements": [
            'skos_concept:("http://data.europeana.eu/concept/43" '
            'OR "http://data.europeana.eu/concept/base/43")',
            "TYPE:IMAGE",
        ],
        "reusability": ["open", "restricted", "permission"],
        "sort": "europeana_id",
        "profile": "standard",
        "mode": "multi",
    }
    assert cursor
    assert taken == 5


@pytest.mark.usefixtures("museum")
def test_a_search_by_other_uris_starts_anew(harvester, sandbox):
    harvester(*HARVEST, "--n", "5", "--concept", "map")
    ((before, *_),) = harvester.rows(CURSOR)
    (harvester.folder / "v.ttl").write_text(SKOS.replace(AAT, f"{AAT}1"))
    harvester(*HARVEST, "--n", "5", "--concept", "map")
    ((after, _, taken),) = harvester.rows(CURSOR)
    assert before != after
    assert taken == 5


@pytest.mark.usefixtures("museum")
def test_a_dataset_of_narrower_concepts_stays_one(harvester, sandbox):
    """An update without them would take their records' labels away."""
    harvester(*HARVEST, "--n", "5", "--narrower")
    asked = sandbox.log["127.0.0.1"].requests
    ended = harvester(*HARVEST, "--n", "5", "--update", exit_code=2)
    assert "'d' was harvested with --narrower; do the same" in ended.stderr
    assert sandbox.log["127.0.0.1"].requests == asked
    harvester(*HARVEST, "--n", "5", "--update", "--narrower")


@pytest.mark.usefixtures("museum")
@pytest.mark.parametrize("seed", [(), ("--seed", "3")])
def test_more_uris_than_one_query_names_are_searched_in_parts(
    harvester, catalogue, use_sandbox, seed
):
    kinds = [f"http://museum.example/thesaurus/objects/kind_of_ring_{n:03}" for n in range(300)]
    below = [
        f'<{uri}> a skos:Concept ; skos:prefLabel "kind {n}"@en ; skos:broader <{RING}> .\n'
        for n, uri in enumerate(kinds)
    ]
    (harvester.folder / "v.ttl").write_text(SKOS + "".join(below))
    concepts = [[kinds[n * 40 % 300], *kinds[n : n + 1]] for n in range(0, 300, 7)]
    changed = having(catalogue, {JEWELLERY: [*concepts, [RING], [JEWELLERY]]})
    expected = with_concept(changed, JEWELLERY).union(
        *(with_concept(changed, uri) for uri in (RING, *kinds))
    )
    options = ("--concept", "jewellery", "--narrower", *seed)
    with Sandbox(changed) as sandbox:
        use_sandbox(sandbox)
        ended = harvester(*HARVEST, "--n", "30", *options)
        assert "Searches to make, each of a request or more: 5\n" in ended.stderr
        assert len(labelled(harvester, JEWELLERY)) == 30
        harvester(*HARVEST, "--n", "500", *options)
        asked = sandbox.log["127.0.0.1"].requests
        harvester(*HARVEST, "--n", "500", *options)
        assert sandbox.log["127.0.0.1"].requests == asked
    assert labelled(harvester, JEWELLERY) == expected
    ((_, cursor, taken),) = harvester.rows(CURSOR)
    assert (cursor, taken) == (None, len(expected))


@pytest.mark.usefixtures("museum")
@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (SKOS, ("--concept", "spoon"), "The vocabulary has no concept 'spoon'"),
        (SKOS.replace('"ring"@en', f'"ring"@en ; skos:exactMatch <{AAT}>'), (), "exactMatch of"),
    ],
)
def test_wrong_concepts_are_told_before_anything_is_asked(
    harvester, sandbox, text, options, message
):
    (harvester.folder / "v.ttl").write_text(text)
    ended = harvester(*HARVEST, *options, exit_code=2)
    assert message in ended.stderr
    assert sandbox.log["127.0.0.1"].requests == 0
    assert harvester.rows("SELECT name FROM dataset") == []
