"""Downloads over real HTTP: what the filters show, streamed and guarded."""

import csv
import gc
import io
import json
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from common.store.decisions import block
from common.store.tables import VerdictKind
from desk.web.streaming import AT_A_TIME, download
from tests.desk.caller import Caller
from tests.desk.conftest import OURS, RECORDS
from tests.desk.museum import MAP, PAINTING, VASE
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(600)


def table(answer: requests.Response) -> list[dict[str, str]]:
    assert answer.status_code == requests.codes.ok
    assert answer.headers["content-disposition"].startswith("attachment; ")
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def record_ids(answer: requests.Response) -> list[str]:
    return [row["record_id"] for row in table(answer)]


def test_a_table_has_what_the_filters_show(filled, desk):
    caller = Caller(desk)
    assert record_ids(caller.get("/download")) == RECORDS[:9]
    assert record_ids(caller.get(f"/download?provider={OURS}&concept={MAP}")) == [
        *(RECORDS[0], RECORDS[3])
    ]
    assert record_ids(caller.get("/download?lowest=79,9&highest=85")) == RECORDS[6:8]
    assert record_ids(caller.get(f"/download?job={filled.the_job}")) == RECORDS[:9]


def test_what_is_wrong_or_blocked_is_left_out_and_verdicts_are_told(filled, desk):
    filled.say("one", RECORDS[0], MAP, VerdictKind.WRONG)
    caller = Caller(desk, "one")
    filled.say("one", RECORDS[3], MAP, VerdictKind.RIGHT)
    block(filled.engine, VASE, data_provider=None, reason="no", user_id=filled.user("one"))
    kept = table(caller.get("/download"))
    assert {row["concept"] for row in kept} == {MAP, PAINTING}
    assert RECORDS[0] not in [row["record_id"] for row in kept]
    judged = table(caller.get("/download?judged=yes&with_wrong=1"))
    assert [(row["record_id"], row["verdict"]) for row in judged] == [
        *((RECORDS[0], "wrong"), (RECORDS[3], "right"))
    ]


def test_other_formats_are_those_of_exports(filled, desk):
    caller = Caller(desk)
    page = json.loads(caller.get(f"/download?concept={MAP}&format=jsonl").text.splitlines()[0])
    assert len(page["items"]) == 3
    assert caller.get("/download?format=parquet").content.startswith(b"PAR1")
    refused = caller.get("/download?format=xlsx")
    assert refused.status_code == requests.codes.bad_request
    assert "csv, jsonl, parquet" in refused.text


def test_failures_are_told_with_their_reasons_over_all_jobs_and_no_cell_is_a_formula(filled, desk):
    filled.execute("UPDATE record SET title = '=1+1' WHERE id = :id", id=RECORDS[10])
    caller = Caller(desk)
    for of_job in (f"&job={filled.the_job}", ""):
        rows = table(caller.get(f"/download?outcome=failed{of_job}"))
        assert [(row["record_id"], row["outcome"], row["title"]) for row in rows] == [
            (RECORDS[10], "timeout", "'=1+1"),
            (RECORDS[11], "not_found", f"Title of {RECORDS[11]}"),
        ]


def test_a_dataset_is_a_table_that_can_be_imported(filled, desk):
    filled.execute("INSERT INTO dataset (name) VALUES ('d')")
    filled.execute(
        "INSERT INTO dataset_item (dataset_id, record_id, concept_uri, source)"
        " VALUES (1, :id, :uri, 'csv')",
        id=RECORDS[0],
        uri=MAP,
    )
    caller = Caller(desk)
    assert [(row["ID"], row["category"]) for row in table(caller.get("/datasets/d"))] == [
        (RECORDS[0], "map")
    ]
    assert caller.get("/datasets/none").status_code == requests.codes.bad_request


def downloads(desk, path: str, count: int) -> list[requests.Response]:
    """So many at once."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: Caller(desk).get(path), range(count)))


def test_an_answer_that_is_never_sent_leaves_nothing_open():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        download(lambda stream: stream.write(b"x"), name="n", media_type="text/csv")
        gc.collect()
    assert caught == []


def test_readers_that_stop_keep_nobody_out_for_longer_than_they_stay(filled, desk):
    filled.execute(
        "INSERT INTO record (id) SELECT '/2/r' || number FROM generate_series(1, 30000) AS number"
    )
    filled.execute(
        "INSERT INTO enrichment (record_id, concept_uri, model_id, confidence, source, image_url,"
        " job_id) SELECT id, :uri, :model, 0.5, 'media', 'http://m.example/', :job FROM record"
        " WHERE id LIKE '/2/%'",
        uri=MAP,
        model=filled.the_model,
        job=filled.the_job,
    )
    slow = [requests.get(f"{desk.url}/download", stream=True, timeout=60) for _ in range(AT_A_TIME)]
    assert "downloads are running" in Caller(desk).get("/download").text
    began = time.monotonic()
    assert Caller(desk).get("/see").status_code == requests.codes.ok
    assert time.monotonic() - began < 20
    for each in slow:
        each.close()
    wait_for(lambda: all(each.ok for each in downloads(desk, "/download?concept=none", AT_A_TIME)))
    assert [len(table(each)) for each in downloads(desk, "/download", 2)] == [30_009, 30_009]


def test_see_counts_what_fits_and_offers_it(filled, desk):
    filled.say("one", RECORDS[0], MAP, VerdictKind.RIGHT)
    caller = Caller(desk, "one")
    for filters, count in (
        ("", "9 enrichments"),
        (f"provider={OURS}&concept={MAP}", "2 enrichments"),
        (f"job={filled.the_job}&lowest=80", "3 enrichments"),
        ("judged=yes", "1 enrichment"),
    ):
        assert f"{count} with these filters" in caller.get(f"/see?{filters}").text
    of_job = caller.get(f"/see?job={filled.the_job}").text
    assert "failed: 2" in of_job
    assert f'name="job" value="{filled.the_job}"' in of_job


def test_outcomes_are_found_over_all_jobs(filled, desk):
    caller = Caller(desk)
    assert f"Title of {RECORDS[11]}" in caller.get("/see?outcome=failed").text
    assert "No record fits" in caller.get(f"/see?outcome=failed&provider={OURS}").text
    refused = caller.get("/see?outcome=below_threshold")
    assert "test v1 is a whole network. To see this outcome, choose a job" in refused.text
