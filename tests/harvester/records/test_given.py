import csv
import os
import re
import signal
import subprocess
from collections import Counter
from dataclasses import replace

import pytest

from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox
from tests.harvester.conftest import HARVESTER, VOCABULARY, write_vocabulary
from tests.waiting import wait_for

GIVEN = ("records", "--ids", "ids.txt", "--dataset", "given")
ITEMS = """
    SELECT item.record_id, concept.label FROM dataset_item AS item
    JOIN concept ON concept.uri = item.concept_uri ORDER BY 1, 2
"""


def write_list(harvester, lines, name="ids.txt"):
    (harvester.folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_report(harvester, name="given.report.csv"):
    with (harvester.folder / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def outcomes(harvester):
    return [row["outcome"] for row in read_report(harvester)]


def labelled_ids(harvester):
    return {record_id for record_id, _ in harvester.rows(ITEMS)}


@pytest.fixture
def ids(catalogue):
    return [item.id for item in catalogue.items if item.type == "IMAGE"]


def test_every_line_of_a_dirty_list_is_accounted_for(harvester, sandbox, catalogue, ids):
    old, new = next(iter(catalogue.moved.items()))
    deleted = next(iter(catalogue.deleted))
    lines = {
        f"\ufeff{ids[0]}\r": "labelled",
        f"http://data.europeana.eu/item{ids[1]}": "labelled",
        f'"https://www.europeana.eu/en/item{ids[2]}?q=x",': "labelled",
        "": "blank",
        "nonsense": "rejected",
        f"https://www.europeana.eu/item{ids[0]}": "duplicate",
        old: "labelled",
        new: "duplicate",
        deleted: "deleted",
        "/91001/never_was": "unknown",
    }
    write_list(harvester, lines)
    ended = harvester(*GIVEN)
    assert outcomes(harvester) == list(lines.values())
    report = read_report(harvester)
    assert [row["line"] for row in report] == [str(number) for number in range(1, 11)]
    assert "'nonsense' is not a record ID" in report[4]["detail"]
    assert report[6]["record_id"] == new
    assert report[6]["detail"].startswith(f"moved from {old}; http://data.europeana.eu/concept/")
    assert labelled_ids(harvester) == {*ids[:3], new}
    assert harvester.rows("SELECT old_id, record_id FROM record_alias") == [(old, new)]
    assert re.search(r"(?m)^ +10  in all ", ended.stdout)


def test_records_get_the_labels_that_europeana_has_on_them(harvester, sandbox, catalogue, ids):
    write_list(harvester, ids[:300])
    harvester(*GIVEN)
    names = {concept: label for label, concept in VOCABULARY.items()}
    assert harvester.rows(ITEMS) == sorted(
        (record_id, names[concept])
        for record_id in ids[:300]
        for concept in catalogue.find(record_id).concepts
    )


def test_a_hundred_records_are_one_request(harvester, sandbox, ids):
    write_list(harvester, ids[:200])
    harvester(*GIVEN)
    assert sandbox.log["127.0.0.1"].requests == 2


def test_what_does_not_enter_the_dataset_is_stored_and_told(harvester, sandbox, catalogue):
    two = next(item.id for item in catalogue.items if len(item.concepts) > 1)
    one, none = (
        next(item.id for item in catalogue.items if item.concepts == [VOCABULARY[label]])
        for label in ("map", "building")
    )
    write_vocabulary(harvester.folder, {k: v for k, v in VOCABULARY.items() if k != "building"})
    write_list(harvester, [two, none, one])
    harvester(*GIVEN, "--mode", "single")
    assert outcomes(harvester) == ["several", "unlabelled", "labelled"]
    assert labelled_ids(harvester) == {one}
    assert len(harvester.rows("SELECT id FROM record")) == 3


def test_a_list_of_which_nothing_enters_fails_and_says_why(harvester, sandbox):
    write_list(harvester, ["nonsense", "/91001/never_was"])
    ended = harvester(*GIVEN, exit_code=1)
    assert "No record of the list was added to the dataset" in ended.stderr
    assert "Europeana has no such record" in ended.stdout


def test_repeating_a_list_asks_nothing_and_changes_nothing(harvester, sandbox, ids):
    write_list(harvester, [*ids[:150], "nonsense"])
    first = harvester(*GIVEN)
    asked, before = sandbox.log["127.0.0.1"].requests, harvester.rows(ITEMS)
    again = harvester(*GIVEN)
    assert (sandbox.log["127.0.0.1"].requests, harvester.rows(ITEMS)) == (asked, before)
    assert again.stdout == first.stdout


def test_lines_that_were_added_are_taken_and_former_ones_still_known(harvester, sandbox, ids):
    write_list(harvester, ids[:50])
    harvester(*GIVEN)
    write_list(harvester, [*ids[:50], ids[0], ids[60]])
    harvester(*GIVEN)
    assert outcomes(harvester)[50:] == ["duplicate", "labelled"]


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_like_an_undisturbed_one(
    harvester, catalogue, use_sandbox, ids
):
    write_list(harvester, [*ids[:700], *catalogue.moved, *ids[:50]])
    report = harvester.folder / "given.report.csv"
    with Sandbox(catalogue, faults=Faults(api=[Fault("latency", seconds=0.1)])) as sandbox:
        use_sandbox(sandbox)
        running = harvester.start(*GIVEN)
        wait_for(lambda: report.exists() and len(report.read_bytes().splitlines()) > 100)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        with report.open("ab") as stream:
            stream.write(b'9999,"half a r')  # as if it had been killed while it wrote
        harvester(*GIVEN)
        asked = sandbox.log["127.0.0.1"].requests
    counts = Counter(outcomes(harvester))
    assert counts == {"labelled": 700, "duplicate": 50 + len(catalogue.moved)}
    assert labelled_ids(harvester) == set(ids[:700])
    assert asked <= 8 + len(catalogue.moved) + 2  # a batch or two are asked for again


def test_standard_input_and_a_report_elsewhere(harvester, sandbox, ids):
    (harvester.folder / "ids.txt").write_text("\n".join(ids[:3]), encoding="utf-8")
    options = [*GIVEN[:2], "-", *GIVEN[3:], "--report", "r.csv"]
    with (harvester.folder / "ids.txt").open("rb") as lines:
        command = [*HARVESTER, *options]
        ended = subprocess.run(
            command, stdin=lines, capture_output=True, cwd=harvester.folder, check=False
        )
    assert ended.returncode == 0, ended.stderr
    assert len(read_report(harvester, "r.csv")) == 3


def test_the_report_of_another_list_is_refused(harvester, sandbox, ids):
    write_list(harvester, ids[:3])
    harvester(*GIVEN)
    write_list(harvester, ids[1:3])
    assert "the report of another list" in harvester(*GIVEN, exit_code=2).stderr


def test_a_report_without_its_records_is_refused(harvester, sandbox, ids):
    write_list(harvester, ids[:3])
    harvester(*GIVEN)
    ended = harvester(*GIVEN[:-1], "other", "--report", "given.report.csv", exit_code=2)
    assert "the dataset is empty" in ended.stderr


@pytest.mark.parametrize(
    "content", ["something else\n", "line,given,record_id,outcome,detail\n5,a,b,c,d\n"]
)
def test_a_file_that_is_no_report_is_left_alone(harvester, sandbox, ids, content):
    write_list(harvester, ids[:1])
    (harvester.folder / "given.report.csv").write_text(content, encoding="utf-8")
    assert "is not from the report" in harvester(*GIVEN, exit_code=2).stderr
    assert (harvester.folder / "given.report.csv").read_text(encoding="utf-8") == content


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("records", "--ids", "nowhere.txt", "--dataset", "d"), "nowhere.txt cannot be read"),
        ((*GIVEN, "--update"), "--ids is for a whole list, so leave out"),
        ((*GIVEN, "--seed", "1"), "--ids is for a whole list, so leave out"),
        (("records", "--dataset", "d", "--report", "r.csv"), "--report needs --ids"),
    ],
)
def test_wrong_usage_is_2(harvester, sandbox, arguments, message):
    write_list(harvester, [])
    assert message in harvester(*arguments, exit_code=2).stderr
    assert sandbox.log["127.0.0.1"].requests == 0


def test_records_that_moved_since_take_their_labels_along(harvester, catalogue, use_sandbox, ids):
    write_list(harvester, ids[:2])
    with Sandbox(catalogue) as sandbox:
        use_sandbox(sandbox)
        harvester(*GIVEN)
    present = "/91001/new_place"
    moved = [replace(item, id=present) if item.id == ids[0] else item for item in catalogue.items]
    later = replace(catalogue, items=moved, moved={ids[0]: present})
    write_list(harvester, [ids[0]], "again.txt")
    with Sandbox(later) as sandbox:
        use_sandbox(sandbox)
        harvester("records", "--ids", "again.txt", "--dataset", "given", "--report", "again.csv")
    assert labelled_ids(harvester) == {present, ids[1]}
