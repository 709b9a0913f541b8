"""What holds for every route of the API: tokens, roles, limits, problems and the document."""

import base64
from datetime import UTC, datetime

import pytest
import requests
from openapi_spec_validator import validate

from common.store.tables import Role
from desk.access.tokens import revoke_token
from desk.api import jobs
from desk.api.api import API_ROUTES
from desk.api.declaring import Endpoint
from tests.desk.api.conftest import Program, token
from tests.desk.museum import Museum
from tests.desk.served import ServedDesk

UNKNOWN = "00000000-0000-4000-8000-000000000000"
GUARDED = [route for route in API_ROUTES if route.role is not None]


def address(route: Endpoint) -> str:
    return route.path_format.replace("{job}", UNKNOWN)


def check_problem(answer: requests.Response, status: int) -> str:
    """Check the form of a problem, and return what it says."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert "set-cookie" not in answer.headers
    detail: str = problem["detail"]
    return detail


def test_the_document_is_openapi_and_has_every_route(desk: ServedDesk) -> None:
    answer = Program(desk, None).get("/openapi.json")
    validate(answer.json())
    described = {
        (method.upper(), path)
        for path, methods in answer.json()["paths"].items()
        for method in methods
    }
    assert described == {(route.method, route.path_format) for route in API_ROUTES}


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
def test_a_route_needs_a_token_also_on_a_desk_without_accounts(
    desk: ServedDesk, route: Endpoint
) -> None:
    for wrong in (None, "desk_wrong"):
        answer = Program(desk, wrong).ask(route.method, address(route))
        assert "token" in check_problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_role_opens_what_it_may_and_no_more(
    filled: Museum, programs: dict[Role, Program]
) -> None:
    for role, program in programs.items():
        higher = list(Role)[list(Role).index(role) + 1 :]
        for route in GUARDED:
            if route.role in higher:
                detail = check_problem(program.ask(route.method, address(route)), 403)
                assert f"needs the role {route.role}" in detail
    assert filled.rows("SELECT FROM desk_action WHERE what LIKE '/v1%'") == []


def test_a_token_is_also_the_password_of_http_basic(filled: Museum, desk: ServedDesk) -> None:
    right = token(filled, "annif")
    known = Program(desk, None)
    for given in (f"annif:{right}", f":{right}"):
        basic = base64.b64encode(given.encode()).decode()
        assert known.get("/jobs", headers={"authorization": f"Basic {basic}"}).ok
    for wrong in (right, "annif:", ":x", "\xff"):
        basic = base64.b64encode(wrong.encode("latin-1")).decode()
        check_problem(known.get("/jobs", headers={"authorization": f"Basic {basic}"}), 401)
    check_problem(known.get("/jobs", headers={"authorization": "Basic *"}), 401)


def test_a_revoked_and_an_expired_token_open_nothing(filled: Museum, desk: ServedDesk) -> None:
    revoked = Program(desk, token(filled, "revoked"))
    expired = Program(desk, token(filled, "expired", expires_at=datetime(2999, 1, 1, tzinfo=UTC)))
    assert revoked.get("/jobs").ok
    assert expired.get("/jobs").ok
    revoke_token(filled.engine, "revoked")
    filled.execute("UPDATE api_token SET expires_at = now() WHERE expires_at IS NOT NULL")
    check_problem(revoked.get("/jobs"), 401)
    check_problem(expired.get("/jobs"), 401)


def test_a_token_has_its_limit_by_the_minute(filled: Museum, desk: ServedDesk) -> None:
    program = Program(desk, token(filled, "busy", per_minute=2))
    calm = Program(desk, token(filled, "calm"))
    answers = [program.get("/jobs") for _ in range(5)]  # of two minutes at most
    refused = [each for each in answers if not each.ok]
    assert refused
    for each in refused:
        assert "2 requests a minute" in check_problem(each, 429)
        assert 1 <= int(each.headers["retry-after"]) <= 60
    assert calm.get("/jobs").ok
    filled.execute("UPDATE api_token SET minute = minute - interval '1 minute'")
    assert program.get("/jobs").ok


def test_an_unknown_address_or_method_is_a_problem(programs: dict[Role, Program]) -> None:
    program = programs[Role.VIEWER]
    check_problem(program.get("/nothing"), 404)
    assert "no such job" in check_problem(program.get("/jobs/tuesday"), 404)
    check_problem(program.get(""), 404)
    check_problem(program.get("/jobs/x%0Ay"), 404)
    check_problem(program.get("/"), 404)
    answer = program.ask("DELETE", "/jobs")
    check_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, POST"


def test_a_page_of_another_site_cannot_use_a_password_of_the_browser(
    programs: dict[Role, Program],
) -> None:
    for site in ("cross-site", "same-site"):
        answer = programs[Role.VIEWER].get("/jobs", headers={"sec-fetch-site": site})
        check_problem(answer, 403)


def test_an_unknown_parameter_and_a_null_character_are_refused(
    programs: dict[Role, Program],
) -> None:
    program = programs[Role.VIEWER]
    assert "colour" in check_problem(program.get("/jobs?colour=red"), 422)
    check_problem(program.get("/jobs?state=%00"), 400)


def test_an_error_of_ours_is_a_problem_without_its_text(
    filled: Museum,
    operator: Program,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(jobs, "report_job", fail)
    answer = operator.get(f"/jobs/{filled.the_job}")  # type: ignore[attr-defined]
    assert "secret" not in check_problem(answer, 500)
    assert "a request failed" in capsys.readouterr().out  # the log


def test_a_lost_store_is_a_problem(filled: Museum, operator: Program) -> None:
    filled.execute("ALTER TABLE api_token RENAME TO away")
    try:
        assert "api_token" not in check_problem(operator.get("/jobs"), 503)
    finally:
        filled.execute("ALTER TABLE away RENAME TO api_token")
