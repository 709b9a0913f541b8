"""Jobs over HTTP: as the commands make, show, steer and export them."""

import csv
import io
import json
from typing import Any

import pytest
import requests
from sqlalchemy import Engine

from common.store.tables import Role
from desk.api import submitting
from desk.api.outcomes import ExportedEnrichment
from desk.review.verdicts import VerdictKind
from tests.desk.api.conftest import Program, token
from tests.desk.api.test_api import UNKNOWN, check_problem
from tests.desk.conftest import RECORDS
from tests.desk.museum import MAP, Museum
from worker.exports.selection import EnrichmentRow, Selection, selected
from worker.jobs import parts

TEXT = {"content-type": "text/plain"}
IDS = "/1/new\nhttp://data.europeana.eu/item/1/newer\n\n/1/new\n"


def submit(program: Program, body: str = IDS, path: str = "/jobs", **headers: str) -> Any:
    return program.post(path, data=body.encode(), headers=TEXT | headers)


def number_of_jobs(museum: Museum) -> object:
    return museum.rows("SELECT count(*) FROM job")[0][0]


def all_pages(program: Program, path: str, **parameters: str) -> list[requests.Response]:
    """The pages of a list, by the header Link."""
    pages = [program.get(path, params=parameters)]
    while following := pages[-1].links.get("next"):
        pages.append(program.get(following["url"].removeprefix(program.url)))
    assert all(each.ok for each in pages)
    return pages


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CHUNKS_AT_ONCE", 1)


def test_a_list_becomes_a_job(filled: Museum, operator: Program) -> None:
    answer = submit(operator, path="/jobs?name=first&priority=urgent")
    assert answer.status_code == 201
    accepted = answer.json()
    assert (accepted["total"], accepted["duplicates"], accepted["name"]) == (2, 1, "first")
    assert answer.headers["location"] == f"/v1/jobs/{accepted['job_id']}"
    shown = operator.get(f"/jobs/{accepted['job_id']}").json()
    assert (shown["state"], shown["waiting"], shown["priority"]) == ("running", 2, "urgent")
    ((what, about),) = filled.rows("SELECT what, about FROM desk_action WHERE what LIKE '/v1%'")
    assert (what, about) == ("/v1/jobs", {"name": "first", "priority": "urgent"} | DEFAULTS)


DEFAULTS = dict.fromkeys(("explain", "look_again", "skip_invalid", "unseen", "dry_run"), False)


def test_a_json_list_becomes_the_same_job(operator: Program) -> None:
    answer = operator.post("/jobs", json=IDS.split())
    assert answer.status_code == 201
    assert answer.json()["total"] == 2


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ('["/1/a", 3]', 422, "Element 2"),
        ('["/1/a", ["/1/b"]]', 422, "Element 2"),
        ('{"item": "/1/a"}', 422, "JSON list"),
        ('["/1/a"', 400, "not valid JSON"),
        ('["/1/a"] x', 400, "not valid JSON"),
        ("", 400, "Send a list"),
        ("[]", 400, "no record"),
        ('["nothing"]', 400, "skip_invalid=true"),
    ],
)
def test_what_is_no_list_of_records_makes_no_job(
    filled: Museum, operator: Program, body: str, status: int, told: str
) -> None:
    before = number_of_jobs(filled)
    answer = operator.post("/jobs", data=body, headers={"content-type": "application/json"})
    assert told in check_problem(answer, status)
    assert number_of_jobs(filled) == before
    last = filled.rows("SELECT what FROM desk_action ORDER BY id DESC LIMIT 1")
    assert last == [("not done",)]


def test_a_selection_of_the_store_becomes_a_job(operator: Program) -> None:
    answer = operator.post("/jobs?data_provider=Our museum")
    assert answer.status_code == 201
    assert answer.json()["total"] == 6
    both = submit(operator, path="/jobs?data_provider=Our museum")
    assert "either a list" in check_problem(both, 400)


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ("model=nope", 404, "no model nope. See /v1/projects"),
        ("model=nope&dry_run=true", 404, "no model nope"),
        ("look_again=true&max_age=30d", 400, "either look_again or max_age"),
    ],
)
def test_options_that_make_no_job(operator: Program, asked: str, status: int, told: str) -> None:
    assert told in check_problem(submit(operator, path=f"/jobs?{asked}"), status)


def test_a_preview_makes_no_job(filled: Museum, operator: Program) -> None:
    before = number_of_jobs(filled)
    answer = submit(operator, path="/jobs?dry_run=true")
    assert answer.status_code == 200
    assert (answer.json()["total"], answer.json()["unknown"]) == (2, 2)
    assert number_of_jobs(filled) == before


def test_lines_without_an_id_can_be_left_out(operator: Program) -> None:
    answer = submit(operator, "/1/a\nnothing\n", path="/jobs?skip_invalid=true")
    assert answer.json()["total"] == 1


def test_a_key_makes_one_job_of_one_request(filled: Museum, operator: Program) -> None:
    key = {"Idempotency-Key": "Tuesday"}
    first, again = submit(operator, **key), submit(operator, **key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["job_id"] == first.json()["job_id"]
    assert again.json()["already_known"]
    for body, path in (("/1/other", "/jobs"), (IDS, "/jobs?priority=urgent")):
        assert "another list" in check_problem(submit(operator, body, path, **key), 409)
    others = Program(operator.desk, token(filled, "another", Role.OPERATOR))
    assert submit(others, "/1/other", **key).status_code == 201


def test_a_list_that_is_too_long_is_refused(
    filled: Museum, operator: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "MOST_RECORDS", 3)
    assert submit(operator, "/1/a\n" * 3).status_code == 201
    assert "more than 3 lines" in check_problem(submit(operator, "/1/a\n" * 4), 413)


def test_a_body_of_another_type_or_size_is_refused(operator: Program) -> None:
    answer = operator.post("/jobs", data=b"<x/>", headers={"content-type": "text/xml"})
    assert "text/plain, application/json" in check_problem(answer, 415)
    huge = TEXT | {"content-length": str(1 << 40)}
    answer = operator.post("/jobs", data=iter([b"/1/a"]), headers=huge)
    check_problem(answer, 413)


def test_a_job_is_paused_resumed_and_cancelled(filled: Museum, operator: Program) -> None:
    job = submit(operator).json()["job_id"]
    for verb, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        answer = operator.post(f"/jobs/{job}/{verb}")
        assert answer.json() == {"job_id": job, "state": state, "tried_again": 0}
    assert "nothing to pause" in check_problem(operator.post(f"/jobs/{job}/pause"), 409)
    for path in (f"/jobs/{UNKNOWN}/pause", f"/jobs/{UNKNOWN}/cancel"):
        check_problem(operator.post(path), 404)
    logged = filled.rows("SELECT what FROM desk_action WHERE about ->> 'job' = :job", job=job)
    assert {what for (what,) in logged} == {
        f"/v1/jobs/{{job:uuid}}/{verb}" for verb in ("pause", "resume", "cancel")
    }


def test_jobs_are_listed_in_pages(filled: Museum, operator: Program) -> None:
    newer = [submit(operator).json()["job_id"] for _ in range(2)]
    first = operator.get("/jobs?limit=2").json()
    assert [each["job_id"] for each in first["jobs"]] == newer[::-1]
    rest = operator.get("/jobs", params={"limit": 2, "cursor": first["next"]}).json()
    assert [each["job_id"] for each in rest["jobs"]] == [str(filled.the_job)]  # type: ignore[attr-defined]
    assert rest["next"] is None
    done = operator.get("/jobs?state=done&state=cancelled").json()["jobs"]
    assert [each["state"] for each in done] == ["done"]


@pytest.mark.usefixtures("small_pages")
def test_pages_have_the_enrichments_of_an_export(
    engine: Engine, filled: Museum, operator: Program
) -> None:
    job = filled.the_job  # type: ignore[attr-defined]
    path = f"/jobs/{job}/enrichments"
    with selected(engine, Selection(job=job)) as rows:
        exported = [(row.record_id, row.concept, row.confidence) for row in rows]
    pages = [each.json() for each in all_pages(operator, path)]
    assert [len(each["enrichments"]) for each in pages] == [5, 4]
    found = [each for page in pages for each in page["enrichments"]]
    assert [(row["record_id"], row["concept"], row["confidence"]) for row in found] == exported
    assert pages[0]["next"] is not None
    by_cursor = operator.get(path, params={"cursor": pages[0]["next"]}).json()
    assert by_cursor == pages[1]


@pytest.mark.usefixtures("small_pages")
def test_pages_are_also_csv_and_json_ld(filled: Museum, operator: Program) -> None:
    path = f"/jobs/{filled.the_job}/enrichments"  # type: ignore[attr-defined]
    tables = [
        list(csv.DictReader(io.StringIO(each.text)))
        for each in all_pages(operator, path, format="csv")
    ]
    assert [row["record_id"] for table in tables for row in table] == RECORDS[:9]
    linked = operator.get(path, headers={"accept": "application/ld+json, */*"})
    assert linked.headers["content-type"] == "application/ld+json"
    page = json.loads(linked.text)
    assert (page["type"], len(page["items"])) == ("AnnotationPage", 5)


def test_enrichments_that_reviewers_call_wrong_are_left_out(
    filled: Museum, operator: Program
) -> None:
    filled.say("a reviewer", RECORDS[0], MAP, VerdictKind.WRONG)
    filled.say("a reviewer", RECORDS[3], MAP, VerdictKind.RIGHT)
    path = f"/jobs/{filled.the_job}/enrichments"  # type: ignore[attr-defined]

    def records(**parameters: str) -> list[str]:
        page = operator.get(path, params=parameters).json()
        return [each["record_id"] for each in page["enrichments"]]

    assert RECORDS[0] not in records()
    assert RECORDS[0] in records(with_wrong="true")
    assert records(confirmed_only="true") == [RECORDS[3]]
    assert operator.get(path).json()["wrong"] == 1
    check_problem(operator.get(path, params={"with_wrong": 1, "confirmed_only": 1}), 400)


def test_failures_come_as_json_and_csv(filled: Museum, operator: Program) -> None:
    path = f"/jobs/{filled.the_job}/failures"  # type: ignore[attr-defined]
    page = operator.get(path).json()
    assert [(row["record_id"], row["reason"]) for row in page["failures"]] == [
        (RECORDS[10], "timeout"),
        (RECORDS[11], "not_found"),
    ]
    assert page["next"] is None
    table = operator.get(path, params={"reason": "timeout"}, headers={"accept": "text/csv"})
    assert [row["record_id"] for row in csv.DictReader(io.StringIO(table.text))] == [RECORDS[10]]
    none = operator.get(path, params={"reason": "tls"})
    assert (none.status_code, none.json()) == (200, {"failures": [], "next": None})
    assert "Reasons: " in check_problem(operator.get(path, params={"reason": "boredom"}), 422)


def test_a_pruned_job_has_no_pages(filled: Museum, operator: Program) -> None:
    job = filled.the_job  # type: ignore[attr-defined]
    filled.execute("UPDATE job SET pruned_at = now()")
    filled.execute("DELETE FROM job_chunk")
    for what in ("enrichments", "failures"):
        told = check_problem(operator.get(f"/jobs/{job}/{what}"), 409)
        assert "removed on" in told


def test_an_enrichment_has_the_columns_of_an_export() -> None:
    assert ExportedEnrichment.__annotations__.keys() == {*EnrichmentRow._fields, "labels"}
