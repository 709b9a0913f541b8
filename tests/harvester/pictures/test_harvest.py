import os
import re
import signal
from collections import Counter
from datetime import timedelta
from hashlib import sha256

import pytest
from PIL import Image
from typer.testing import CliRunner

from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox
from harvester.cli import app
from tests.harvester.conftest import VOCABULARY, write_vocabulary
from tests.harvester.pictures.picture_states import IMAGES, states
from tests.harvester.records.test_search import HARVEST
from tests.waiting import wait_for

ROWS = "SELECT record_id, state, reason, source, path, sha256, width, height FROM image"


def test_every_record_ends_with_a_picture_or_a_reason(harvested, catalogue):
    ended = harvested(*IMAGES, "--picture", "media")
    outcomes = {row[0]: row[1:3] for row in harvested.rows(ROWS)}
    assert len(outcomes) == harvested.rows("SELECT count(*) FROM record")[0][0]
    for record_id, (state, reason) in outcomes.items():
        if not catalogue.find(record_id).shown_by:
            assert (state, reason) == ("failed", "no_picture")
        elif record_id in catalogue.broken:
            assert state != "stored"
        else:
            assert state == "stored"
    counts = states(harvested)
    for (state, why), count in counts.items():
        assert any(
            re.split(" {2,}", line.strip())[:3] == [str(count), state, why]
            for line in ended.stdout.splitlines()
        )


def test_stored_files_are_what_their_rows_say(harvested):
    harvested(*IMAGES, "--max-side", "100")
    stored = [row for row in harvested.rows(ROWS) if row[1] == "stored"]
    assert len(stored) > 100
    for _, _, _, _, path, digest, width, height in stored:
        content = (harvested.folder / "images" / path).read_bytes()
        assert sha256(content).hexdigest() == digest
        assert path.startswith(f"{digest[:2]}/{digest}.")
        with Image.open(harvested.folder / "images" / path) as image:
            assert image.size == (width, height)
        assert max(width, height) <= 100


@pytest.mark.parametrize("option", [("--max-side", "5000"), ("--original", "--max-side", "32")])
def test_small_pictures_and_originals_are_kept_byte_for_byte(harvested, catalogue, option):
    harvested(*IMAGES, "--picture", "media", *option)
    for record_id, state, _, _, path, *_ in harvested.rows(ROWS):
        if state == "stored":
            original = catalogue.read(catalogue.find(record_id).picture)
            assert (harvested.folder / "images" / path).read_bytes() == original


@pytest.mark.parametrize("picture", ["thumbnail", "media"])
def test_only_the_picture_that_is_asked_for_is_fetched(harvested, picture):
    harvested(*IMAGES, "--picture", picture)
    assert {source for (state, source) in states(harvested) if state == "stored"} == {picture}


def test_a_thumbnail_stands_in_for_a_file_that_fails(harvester, catalogue, use_sandbox):
    dead = Faults(hosts={"*": [Fault("status", status=404)]})
    with Sandbox(catalogue, faults=dead) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST, "--n", "10")
        harvester(*IMAGES)
    assert set(states(harvester)) <= {("stored", "thumbnail"), ("failed", "not_found")}
    assert states(harvester)["stored", "thumbnail"] >= 50


def test_another_choice_of_picture_tries_again_what_failed_by_the_former(
    harvester, catalogue, use_sandbox
):
    dead = Faults(hosts={"*": [Fault("status", status=404)]})
    with Sandbox(catalogue, faults=dead) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST, "--n", "5")
        harvester(*IMAGES, "--picture", "media", exit_code=1)
        asked = [sandbox.log[address].requests for address in sandbox.addresses.image_hosts]
        harvester(*IMAGES, "--picture", "auto")
        assert states(harvester)["stored", "thumbnail"] >= 20
        assert [sandbox.log[host].requests for host in sandbox.addresses.image_hosts] == asked
        rows, requests = harvester.rows(ROWS), sandbox.log["127.0.0.1"].requests
        harvester(*IMAGES, "--picture", "media")  # what failed in both is not asked again
        assert (harvester.rows(ROWS), sandbox.log["127.0.0.1"].requests) == (rows, requests)


def test_what_our_settings_forbid_is_judged_anew(harvester, sandbox, monkeypatch):
    harvester(*HARVEST, "--n", "3")
    monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "")
    harvester(*IMAGES, "--picture", "media", exit_code=1)
    assert ("failed", "address_refused") in states(harvester)
    monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "127.0.0.0/8")
    harvester(*IMAGES, "--picture", "media")
    assert ("failed", "address_refused") not in states(harvester)


def test_a_stored_picture_that_has_vanished_is_fetched_again(harvested, sandbox):
    harvested(*IMAGES, "--picture", "media")
    rows = sorted(harvested.rows(ROWS))
    paths = sorted({row[4] for row in rows if row[4]})
    for path in paths[::9]:
        (harvested.folder / "images" / path).unlink()
    asked = sum(log.requests for log in sandbox.log.values())
    harvested(*IMAGES, "--picture", "media")
    assert sorted(harvested.rows(ROWS)) == rows
    assert all((harvested.folder / "images" / path).is_file() for path in paths)
    lost = sum(row[4] in paths[::9] for row in rows)
    assert sum(log.requests for log in sandbox.log.values()) == asked + lost


def test_another_folder_is_refused_before_everything_is_fetched_again(
    harvested, sandbox, monkeypatch
):
    harvested(*IMAGES, "--picture", "media")
    stored = len(harvested.rows("SELECT DISTINCT path FROM image WHERE path IS NOT NULL"))
    asked = sum(log.requests for log in sandbox.log.values())
    monkeypatch.setenv("IMAGE_DIR", str(harvested.folder / "elsewhere"))
    refused = harvested(*IMAGES, "--picture", "media", exit_code=2)
    told = f"{stored:,} of {stored:,} stored pictures are not in {harvested.folder}"
    assert told in refused.stderr
    assert sum(log.requests for log in sandbox.log.values()) == asked
    harvested(*IMAGES, "--picture", "media", "--refetch")
    assert sum(log.requests for log in sandbox.log.values()) > asked


def test_the_report_shows_hosts_with_reasons_and_what_to_do_and_fetches_nothing(
    harvester, catalogue, use_sandbox
):
    dead = Faults(hosts={"127.0.1.4": [Fault("status", status=404)]})
    with Sandbox(catalogue, faults=dead) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST, "--n", "10")
        untried = harvester(*IMAGES, "--report").stdout
        assert not any(sandbox.log[host].requests for host in sandbox.addresses.image_hosts)
        assert "not yet tried" in untried
        harvester(*IMAGES, "--picture", "media")
        report = harvester(*IMAGES, "--report").stdout
    counts = "SELECT count(*) FROM record WHERE media_url LIKE 'http://127.0.1.4:%'"
    [[pictures]] = harvester.rows(counts)
    [line] = [line for line in report.splitlines() if "127.0.1.4:" in line]
    host, all_of_them, stored, reasons, advice = re.split(" {2,}", line)
    assert host == f"127.0.1.4:{sandbox.addresses.port}"
    assert (all_of_them, stored, reasons) == (str(pictures), "0", f"not_found {pictures}")
    assert advice.startswith("The link is dead")


def test_a_dataset_without_any_picture_fails(harvester, catalogue, use_sandbox):
    html = Faults(hosts={"*": [Fault("html")]})
    with Sandbox(catalogue, faults=html) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST, "--n", "3")
        ended = harvester(*IMAGES, "--picture", "media", exit_code=1)
    assert "No picture was stored" in ended.stderr
    assert ("failed", "not_an_image_html") in states(harvester)


def test_what_may_pass_is_put_off_until_it_is_due(harvester, catalogue, use_sandbox):
    busy = Faults(hosts={"*": [Fault("status", status=429, retry_after=900, first=1)]})
    with Sandbox(catalogue, faults=busy) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST, "--n", "4")
        harvester(*IMAGES, "--picture", "media", exit_code=1)
        put_off = harvester.rows("SELECT not_before - fetched_at, attempts, reason FROM image")
        assert {reason for *_, reason in put_off} <= {"rate_limited", "host_unavailable"}
        assert max(wait for wait, *_ in put_off) >= timedelta(seconds=890)
        asked = [log.requests for log in sandbox.log.values()]
        harvester(*IMAGES, "--picture", "media", exit_code=1)
        assert [log.requests for log in sandbox.log.values()] == asked
        while any(state == "deferred" for state, _ in states(harvester)):
            _make_due(harvester)  # a host that complains is left alone for the rest of the run
            CliRunner().invoke(app, [*IMAGES, "--picture", "media"])
    assert {state for state, _ in states(harvester)} <= {"stored", "failed"}
    assert states(harvester)["stored", "media"] > 20


def _make_due(harvester):
    with harvester.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE image SET not_before = '-infinity'")


def test_what_keeps_failing_is_given_up(harvester, catalogue, use_sandbox):
    broken = Faults(hosts={"*": [Fault("status", status=500)]})
    with Sandbox(catalogue, faults=broken) as sandbox:
        use_sandbox(sandbox)
        write_vocabulary(harvester.folder, {"map": VOCABULARY["map"]})
        harvester(*HARVEST, "--n", "1")
        waits = []
        for _ in range(6):
            harvester(*IMAGES, "--picture", "media", exit_code=1)
            waits += harvester.rows("SELECT max(not_before - fetched_at), max(attempts) FROM image")
            _make_due(harvester)
    assert [attempts for _, attempts in waits] == [1, 2, 3, 4, 5, 6]
    assert [wait.total_seconds() for wait, _ in waits] == [60, 240, 960, 3840, 15360, 0]
    assert set(states(harvester)) == {("failed", "server_error")}


def test_single_label_records_are_placed_by_category(harvested):
    for _ in range(2):  # the second time finds everything in place
        harvested(*IMAGES, "--saving-dir", "training")
        labels = Counter(path.parent.name for path in harvested.folder.glob("training/*/*"))
        single = """
            SELECT label, count(*) FROM (
                SELECT min(label) AS label FROM dataset_item JOIN concept ON uri = concept_uri
                JOIN image USING (record_id) WHERE state = 'stored'
                GROUP BY record_id HAVING count(*) = 1) AS one
            GROUP BY label
        """
        assert labels == dict(harvested.rows(single))
        assert set(labels) == set(VOCABULARY)
    record_id, path = harvested.rows(
        "SELECT record_id, path FROM image JOIN dataset_item USING (record_id)"
        " WHERE state = 'stored' GROUP BY 1, 2 HAVING count(*) = 1 LIMIT 1"
    )[0]
    name = record_id.strip("/").replace("/", "_")
    [placed] = harvested.folder.glob(f"training/*/{name}.*")
    assert placed.samefile(harvested.folder / "images" / path)


def test_folders_follow_when_a_record_changes_its_label_or_loses_its_picture(harvested):
    harvested(*IMAGES, "--saving-dir", "training")
    own = harvested.folder / "training" / "map" / "notes.txt"
    own.write_text("ours")
    placed = sorted(harvested.folder.glob("training/map/9*"))
    names = [path.stem.replace("_", "/", 1) for path in placed]
    with harvested.engine.begin() as connection:
        relabel = "UPDATE dataset_item SET concept_uri = %s WHERE record_id = %s"
        connection.exec_driver_sql(relabel, (VOCABULARY["building"], f"/{names[0]}"))
        connection.exec_driver_sql(
            "UPDATE image SET state = 'failed', reason = 'x', path = NULL, source = NULL"
            " WHERE record_id = %s",
            (f"/{names[1]}",),
        )
    harvested(*IMAGES, "--saving-dir", "training")
    assert sorted(harvested.folder.glob("training/map/9*")) == placed[2:]
    assert (harvested.folder / "training" / "building" / placed[0].name).is_file()
    assert own.read_text() == "ours"


def test_a_second_run_fetches_nothing(harvested, sandbox):
    harvested(*IMAGES)
    rows, asked = harvested.rows(ROWS), [log.requests for log in sandbox.log.values()]
    harvested(*IMAGES)
    assert harvested.rows(ROWS) == rows
    assert [log.requests for log in sandbox.log.values()] == asked


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_goes_on(harvester, catalogue, use_sandbox, sign, monkeypatch):
    slow = Faults(hosts={"*": [Fault("latency", seconds=0.3)]})
    with Sandbox(catalogue, faults=slow) as sandbox:
        use_sandbox(sandbox)
        monkeypatch.setenv("FETCH_REQUESTS_AT_A_TIME", "2")
        harvester(*HARVEST, "--n", "20")
        running = harvester.start(*IMAGES, "--picture", "media")
        wait_for(lambda: any(harvester.folder.glob("images/*/*")))
        os.kill(running.pid, sign)
        assert running.wait(120) == (-sign if sign == signal.SIGKILL else 130)
        kept = harvester.rows(ROWS)
        assert len(kept) < 100
        assert kept or sign == signal.SIGKILL
        monkeypatch.setenv("FETCH_REQUESTS_AT_A_TIME", "16")
        harvester(*IMAGES, "--picture", "media")
    assert set(kept) <= set(harvester.rows(ROWS))
    assert harvester.rows("SELECT id FROM record EXCEPT SELECT record_id FROM image") == []
    assert states(harvester)["stored", "media"] > 100
    if sign == signal.SIGINT:
        assert not list(harvester.folder.glob("images/**/*.partial"))


def test_a_folder_that_cannot_be_written_ends_the_run(harvested, monkeypatch):
    (harvested.folder / "taken").write_text("")
    monkeypatch.setenv("IMAGE_DIR", str(harvested.folder / "taken"))
    ended = harvested(*IMAGES, exit_code=1)
    assert "cannot be written" in ended.stderr


def test_the_key_is_not_sent_to_image_hosts(harvested, sandbox):
    harvested(*IMAGES)
    for log in sandbox.log.values():
        for entry in log.entries:
            if entry.path.startswith(("/media", "/thumbnail")):
                assert "x-api-key" not in entry.headers
