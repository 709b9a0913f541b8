from collections.abc import Sequence
from dataclasses import replace

import pytest

from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox
from harvester.records.search import AT_A_TIME
from tests.harvester.conftest import VOCABULARY, write_vocabulary

HARVEST = ("records", "--dataset", "d", "--n", "500")
UPDATE = (*HARVEST, "--update")
ITEMS = """
    SELECT item.record_id, concept.label FROM dataset_item AS item
    JOIN concept ON concept.uri = item.concept_uri ORDER BY 1, 2
"""
RECORDS = "SELECT * FROM record ORDER BY id"
MAP, PAINTING = VOCABULARY["map"], VOCABULARY["painting"]


@pytest.fixture
def maps(catalogue):
    """The maps of the catalogue that have no other concept, in the order of their IDs."""
    items = [item for item in catalogue.items if item.concepts == [MAP] and item.type == "IMAGE"]
    return sorted(items, key=lambda item: item.id)


@pytest.fixture
def years_later(harvester, catalogue, use_sandbox):
    """Harvest, then give a sandbox where some items have changed and others are there or gone."""

    def change(*changed, gone: Sequence[str] = (), moved=None):
        write_vocabulary(harvester.folder, {"map": MAP, "painting": PAINTING})
        with Sandbox(catalogue) as sandbox:
            use_sandbox(sandbox)
            harvester(*HARVEST)
            port = sandbox.addresses.port  # it is in the URLs of pictures
        age(harvester)
        new = {item.id: item for item in changed}
        kept = [new.pop(i.id, i) for i in catalogue.items if i.id not in gone]
        items = [*kept, *new.values()]
        return Sandbox(replace(catalogue, items=items, moved=moved or {}), port=port)

    return change


def age(harvester):
    """Let all that was harvested be old."""
    with harvester.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE record SET harvested_at = now() - interval '13 hours'")


def labels_of(harvester, record_id):
    return [label for found, label in harvester.rows(ITEMS) if found == record_id]


def test_metadata_and_labels_follow_europeana(harvester, years_later, use_sandbox, maps):
    renamed, repainted, no_map = maps[:3]
    with years_later(
        replace(renamed, data_provider="New Name"),
        replace(repainted, concepts=[MAP, PAINTING]),
        replace(no_map, concepts=[]),
    ) as sandbox:
        use_sandbox(sandbox)
        ended = harvester(*UPDATE)
    query = f"SELECT data_provider FROM record WHERE id = '{renamed.id}'"
    assert harvester.rows(query) == [("New Name",)]
    assert labels_of(harvester, repainted.id) == ["map", "painting"]
    assert labels_of(harvester, no_map.id) == []
    assert "1 labels lost" in ended.stdout


def test_records_that_moved_or_went_are_told(harvester, years_later, use_sandbox, maps):
    went, moves = maps[0].id, maps[1]
    there = replace(moves, id="/91001/new_place")
    with years_later(there, gone=[went, moves.id], moved={moves.id: there.id}) as sandbox:
        use_sandbox(sandbox)
        ended = harvester(*UPDATE)
    assert "1 moved, 1 gone" in ended.stdout
    assert f"gone: {went}" in ended.stdout
    assert labels_of(harvester, went) == labels_of(harvester, moves.id) == []
    assert labels_of(harvester, there.id) == ["map"]
    aliases = harvester.rows("SELECT old_id, record_id FROM record_alias")
    assert aliases == [(moves.id, there.id)]


def test_what_is_new_at_europeana_is_found_by_a_finished_search(
    harvester, years_later, use_sandbox, maps
):
    new = replace(maps[0], id="/91001/a_new_map")
    with years_later(new) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST)
        assert labels_of(harvester, new.id) == []
        harvester(*UPDATE)
    assert labels_of(harvester, new.id) == ["map"]


def test_an_update_without_changes_changes_only_when_records_were_read(
    harvester, years_later, use_sandbox
):
    with years_later() as sandbox:
        use_sandbox(sandbox)
        before, items = harvester.rows(RECORDS), harvester.rows(ITEMS)
        ended = harvester(*UPDATE)
        assert "0 changed, 0 moved, 0 gone; 0 labels lost" in ended.stdout
        assert harvester.rows(ITEMS) == items
        assert [row[:-1] for row in harvester.rows(RECORDS)] == [row[:-1] for row in before]


def test_an_update_that_stopped_goes_on_with_what_it_had_not_read(
    harvester, years_later, use_sandbox, maps
):
    with years_later() as sandbox:
        use_sandbox(sandbox)
        with harvester.engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE record SET harvested_at = now() WHERE id >= %s", (maps[9].id,)
            )
        ended = harvester(*UPDATE)
    due = [row for row in harvester.rows(ITEMS) if row[0] < maps[9].id]
    assert f"{len({record_id for record_id, _ in due})} records read again" in ended.stdout


def test_labels_of_a_table_stay(harvester, years_later, use_sandbox, maps):
    with years_later(replace(maps[0], concepts=[])) as sandbox:
        use_sandbox(sandbox)
        with harvester.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE dataset_item SET source = 'csv'")
        harvester(*UPDATE)
    assert labels_of(harvester, maps[0].id) == ["map"]


def test_an_update_needs_its_dataset_and_its_search(harvester, sandbox):
    assert "There is no dataset 'd'" in harvester(*UPDATE, exit_code=2).stderr
    harvester(*HARVEST[:-1], "5")
    ended = harvester(*HARVEST[:-1], "5", "--update", "--seed", "3", exit_code=2)
    assert "give the same options" in ended.stderr


def test_single_mode_takes_only_records_with_one_concept(harvester, sandbox, catalogue):
    harvester(*HARVEST, "--mode", "single")
    expected = {
        (item.id, label)
        for item in catalogue.items
        for label, concept in VOCABULARY.items()
        if item.concepts == [concept] and item.type == "IMAGE"
    }
    assert set(harvester.rows(ITEMS)) == expected


def test_in_single_mode_records_of_two_categories_do_not_count(harvester, sandbox, catalogue):
    write_vocabulary(harvester.folder, {"ceramics": VOCABULARY["ceramics"], "painting": PAINTING})
    singles = [item for item in catalogue.items if item.type == "IMAGE"]
    alone = [item for item in singles if item.concepts == [VOCABULARY["ceramics"]]]
    target = str(len(alone))
    harvester(*HARVEST[:-1], target, "--mode", "single")
    ceramics = [record_id for record_id, label in harvester.rows(ITEMS) if label == "ceramics"]
    assert len(ceramics) == len(alone)


def test_a_dataset_has_one_mode(harvester, sandbox):
    harvester(*HARVEST[:-1], "5", "--mode", "single")
    ended = harvester(*HARVEST[:-1], "5", "--mode", "multi", exit_code=2)
    assert "was harvested with --mode single" in ended.stderr


def test_categories_are_searched_side_by_side_within_the_limit(harvester, catalogue, use_sandbox):
    with Sandbox(catalogue, faults=Faults(api=[Fault("latency", seconds=0.1)])) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST[:-1], "5")
    assert 2 <= sandbox.log["127.0.0.1"].most_at_once <= AT_A_TIME
