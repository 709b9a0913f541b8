import os
import re
import signal
from collections import Counter
from dataclasses import replace

import pytest
import stamina

from deploy.sandbox.api.keys import Quota
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox
from harvester.records.search import AT_A_TIME
from tests.harvester.conftest import VOCABULARY, write_vocabulary
from tests.waiting import wait_for

HARVEST = ("records", "--vocab-json", "vocabulary.json", "--dataset", "d")
ITEMS = """
    SELECT concept.label, item.record_id FROM dataset_item AS item
    JOIN concept ON concept.uri = item.concept_uri
    JOIN dataset ON dataset.id = item.dataset_id AND dataset.name = 'd' ORDER BY 1, 2
"""
EVERYTHING = """
    SELECT id, media_url, preview_url, rights, data_provider, type, title FROM record ORDER BY id
"""


def requests_to(sandbox):
    return sandbox.log["127.0.0.1"].requests


def cells(output, label):
    """The cells of a category's line in the table at the end."""
    line = next(line for line in output.splitlines() if line.startswith(f"{label} "))
    return re.split(" {2,}", line)


def test_every_category_gets_its_records_with_what_europeana_says_of_them(
    harvester, sandbox, catalogue
):
    ended = harvester(*HARVEST, "--n", "20")
    labels = Counter(label for label, _ in harvester.rows(ITEMS))
    assert set(labels) == set(VOCABULARY)
    assert min(labels.values()) == 20
    assert cells(ended.stdout, "map")[1] == "20"
    for record_id, media, preview, rights, provider, kind, title in harvester.rows(EVERYTHING):
        item = catalogue.find(record_id)
        assert media == (sandbox.addresses.media_url(item) if item.shown_by else None)
        assert preview.startswith(f"{sandbox.url}/thumbnail/v2/url.json?uri=")
        assert (rights, provider, kind) == (item.rights, item.data_provider, "IMAGE")
        assert title == item.title["en"][0]
    assert sandbox.key not in str(harvester.rows(EVERYTHING))


def test_every_vocabulary_concept_of_a_record_is_a_label(harvester, sandbox, catalogue):
    harvester(*HARVEST, "--n", "500")
    labels = harvester.rows(ITEMS)
    expected = {
        (label, item.id)
        for item in catalogue.items
        for label, concept in VOCABULARY.items()
        if concept in item.concepts and item.type == "IMAGE"
    }
    harvested_ids = {record_id for _, record_id in labels}
    assert set(labels) == {pair for pair in expected if pair[1] in harvested_ids}
    assert max(Counter(record_id for _, record_id in labels).values()) == 2


def test_fewer_than_asked_for_and_none_are_told(harvester, sandbox):
    write_vocabulary(
        harvester.folder,
        {"map": VOCABULARY["map"], "toy": "http://data.europeana.eu/concept/56"},
    )
    ended = harvester(*HARVEST, "--n", "500")
    assert cells(ended.stdout, "map")[3] == "Europeana has no more"
    assert cells(ended.stdout, "toy") == ["toy", "0", "0", "Europeana has none"]
    (shown,) = [line for line in ended.stderr.splitlines() if line.startswith("records: ")]
    assert "(100%)" in shown
    again = harvester(*HARVEST, "--n", "500")
    assert "records: nothing to do" in again.stderr
    assert "Next: harvester images --dataset d" in again.stderr


def test_a_harvest_of_nothing_fails(harvester, sandbox):
    write_vocabulary(harvester.folder, {"toy": "http://data.europeana.eu/concept/56"})
    ended = harvester(*HARVEST, exit_code=1)
    assert "No record was harvested" in ended.stderr
    assert harvester.rows("SELECT name FROM dataset") == []


def test_records_with_the_concept_in_its_old_form_are_found(harvester, catalogue, use_sandbox):
    with Sandbox(_with_old_concepts(catalogue)) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST, "--n", "10")
    assert len(harvester.rows(ITEMS)) >= 60
    assert not harvester.rows("SELECT 1 FROM concept WHERE uri LIKE '%/base/%'")


def _with_old_concepts(catalogue):
    items = [
        replace(item, concepts=[uri.replace("concept/", "concept/base/") for uri in item.concepts])
        for item in catalogue.items
    ]
    return replace(catalogue, items=items)


def test_reusability_admits_only_these_rights(harvester, sandbox):
    harvester(*HARVEST, "--n", "30", "--reusability", "open")
    rights = {row[0] for row in harvester.rows("SELECT DISTINCT rights FROM record")}
    assert rights
    assert all(re.search("publicdomain|/by/|/by-sa/", statement) for statement in rights)


def test_a_seed_gives_a_sample_that_is_the_same_again_and_no_other(harvester, sandbox):
    def sample(name, *options):
        harvester(*HARVEST[:-1], name, "--n", "10", *options)
        return harvester.rows(ITEMS.replace("'d'", f"'{name}'"))

    first = sample("a", "--seed", "1")
    assert sample("b", "--seed", "1") == first
    assert sample("c", "--seed", "2") != first
    assert sample("d") != first


def test_repeating_a_harvest_changes_nothing_and_asks_nothing(harvester, sandbox):
    harvester(*HARVEST, "--n", "120")
    before = harvester.rows("SELECT xmin::text, * FROM record ORDER BY id"), harvester.rows(ITEMS)
    asked = requests_to(sandbox)
    harvester(*HARVEST, "--n", "120")
    assert requests_to(sandbox) == asked
    after = harvester.rows("SELECT xmin::text, * FROM record ORDER BY id"), harvester.rows(ITEMS)
    assert before == after


def test_a_larger_harvest_goes_on_behind_a_smaller_one(harvester, sandbox):
    harvester(*HARVEST, "--n", "50", "--seed", "7")
    asked = requests_to(sandbox)
    harvester(*HARVEST, "--n", "90", "--seed", "7")
    assert requests_to(sandbox) - asked <= 2 * len(VOCABULARY)
    at_once = harvester.rows(ITEMS)
    harvester(*HARVEST[:-1], "e", "--n", "90", "--seed", "7")
    assert harvester.rows(ITEMS.replace("'d'", "'e'")) == at_once


def test_other_records_are_added_under_the_same_name(harvester, sandbox):
    harvester(*HARVEST, "--n", "5", "--seed", "1")
    first = set(harvester.rows(ITEMS))
    harvester(*HARVEST, "--n", "5", "--seed", "2")
    assert first < set(harvester.rows(ITEMS))


def test_changed_records_are_brought_up_to_date(harvester, sandbox):
    harvester(*HARVEST, "--n", "5")
    expected = harvester.rows(EVERYTHING)
    with harvester.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE record SET title = 'old', rights = NULL")
    harvester(*HARVEST[:-1], "again", "--n", "5")
    assert harvester.rows(EVERYTHING) == expected


@pytest.mark.slow
def test_killed_harvests_go_on_and_end_like_an_undisturbed_one(harvester, catalogue, use_sandbox):
    slow = Faults(api=[Fault("latency", seconds=0.03)])
    options = ("--n", "130", "--seed", "5")
    with Sandbox(catalogue, faults=slow) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST[:-1], "undisturbed", *options)
        undisturbed = requests_to(sandbox)
        kills = 0
        for records in (100, 200, 300):
            running = harvester.start(*HARVEST, *options)
            wait_for(lambda records=records: len(harvester.rows(ITEMS)) >= records)
            kills += running.poll() is None
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
        assert kills == 3
        harvester(*HARVEST, *options)
        disturbed = requests_to(sandbox) - undisturbed
    assert harvester.rows(ITEMS) == harvester.rows(ITEMS.replace("'d'", "'undisturbed'"))
    assert disturbed <= undisturbed + kills * AT_A_TIME


def test_passing_faults_are_outlived(harvester, catalogue, use_sandbox):
    faults = Faults(api=[Fault("status", status=503, first=1), Fault("reset", first=2)])
    write_vocabulary(harvester.folder, {"map": VOCABULARY["map"]})
    with Sandbox(catalogue, faults=faults) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST, "--n", "10")
    assert len(harvester.rows(ITEMS)) == 10


def test_a_used_up_quota_is_waited_for(harvester, catalogue, use_sandbox):
    with Sandbox(catalogue, quota=Quota(requests=2, seconds=2)) as sandbox:
        use_sandbox(sandbox)
        ended = harvester(*HARVEST, "--n", "5")
        assert sandbox.log["127.0.0.1"].statuses[429]
    assert "The quota of the API key is used up." in ended.stderr
    assert len(harvester.rows(ITEMS)) >= 30


def test_a_refused_key_ends_the_harvest_and_says_what_to_do(harvester, sandbox, monkeypatch):
    monkeypatch.setenv("EUROPEANA_API_KEY", "hunter2")
    ended = harvester(*HARVEST, exit_code=1)
    assert "refuses the API key" in ended.stderr
    assert "EUROPEANA_API_KEY" in ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr
    assert requests_to(sandbox) <= AT_A_TIME


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"EUROPEANA_API_KEY": ""}, (), "EUROPEANA_API_KEY is not set"),
        ({"EUROPEANA_API_URL": "europeana"}, (), "EUROPEANA_API_URL (environment): expected"),
        ({}, ("--reusability", "open,free"), "not 'free'"),
        ({}, ("--dataset", "a/b"), "'a/b' cannot be the name of a dataset"),
        ({}, ("--vocab-json", "nowhere.json"), "There is no vocabulary file nowhere.json"),
        ({}, ("--n", "0"), "--n"),
        ({"DATABASE_URL": ""}, (), "DATABASE_URL is not set"),
    ],
)
def test_wrong_usage_is_2_and_asks_nothing(
    harvester, sandbox, monkeypatch, change, options, message
):
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    ended = harvester(*HARVEST, *options, exit_code=2)
    assert message in ended.stderr
    assert requests_to(sandbox) == 0
    assert harvester.rows("SELECT name FROM dataset") == []


def test_an_unreachable_api_is_named(harvester, sandbox, monkeypatch):
    monkeypatch.setenv("EUROPEANA_API_URL", "http://127.0.0.1:9")
    with stamina.set_testing(True, attempts=2):
        ended = harvester(*HARVEST, exit_code=1)
    assert "error: 127.0.0.1:9 cannot be reached: " in ended.stderr


def test_all_missing_settings_are_named_at_once(harvester, monkeypatch):
    monkeypatch.delenv("EUROPEANA_API_KEY", raising=False)
    monkeypatch.delenv("DATABASE_URL")
    ended = harvester(*HARVEST, exit_code=2)
    assert ended.stderr.startswith("error: 2 settings are missing or wrong:\n")
    assert "DATABASE_URL is not set." in ended.stderr
    assert "EUROPEANA_API_KEY is not set." in ended.stderr
