"""All routes of the desk, walked as nobody and with each role: what is asked, and what is allowed.

Routes that are added later are found by themselves.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import BaseRoute, Mount, Route

from common.store.tables import Role
from desk.app import routes
from desk.web.asking import Asks
from tests.desk.caller import Caller
from tests.desk.museum import MAP, Museum
from tests.desk.served import ServedDesk, served_desk

pytestmark = pytest.mark.timeout(600)

# Who comes to them is not known yet; each with what a stranger sees there.
WITHOUT_ROLE = {
    ("GET", "/login"): (200, "the form of the login itself"),
    ("POST", "/login"): (403, "a login; it has a form's word of its own"),
    ("GET", "/login/identity"): (404, "the way to the identity provider, of which there is none"),
    ("GET", "/login/identity/back"): (404, "the way back"),
    ("GET", "/favicon.ico"): (200, "the sign of the desk"),
    ("GET", "/v1/"): (404, "the HTTP API, whose routes need a token (tests/desk/api)"),
    ("GET", "/assets/"): (404, "styles and scripts, the same for all; a folder shows nothing"),
}
RECORD = "/1/a"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
PLAUSIBLE = {
    "dataset": "1",
    "local": "a",
    "job": UNKNOWN,
    "model": "test",
    "digest": "a" * 64,
    "training": "first",
    "path": "nothing/here",
    "name": UNKNOWN,
}
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
EVERYTHING = """
    SELECT (SELECT count(*) FROM desk_action), (SELECT count(*) FROM verdict),
           (SELECT count(*) FROM job), (SELECT count(*) FROM decision),
           (SELECT count(*) FROM audit), (SELECT count(*) FROM service),
           (SELECT string_agg(stage, ' ' ORDER BY id) FROM model),
           (SELECT count(*) FROM desk_session)
"""


def walked() -> list[tuple[str, str, BaseRoute]]:
    """Each way to ask for a route: method, path, and the route."""
    found: list[tuple[str, str, BaseRoute]] = []
    for route in routes():
        assert isinstance(route, Route | Mount), f"the walk does not know what {route} is"
        methods = (route.methods or set()) - {"HEAD"} if isinstance(route, Route) else {"GET"}
        path = f"{route.path}/" if isinstance(route, Mount) else route.path
        found += [(method, path, route) for method in sorted(methods)]
    return found


def guarded(method: str | None = None) -> list[tuple[str, Asks]]:
    """Routes that have a role."""
    return [
        (asked, route)
        for asked, _, route in walked()
        if isinstance(route, Asks) and method in (None, asked)
    ]


def filled_in(path: str) -> str:
    """A path with plausible values; numbers where nothing else is known."""
    return _PARAMETER.sub(lambda found: PLAUSIBLE.get(found[1], "1"), path)


@pytest.fixture
def museum_with_people(museum: Museum) -> Museum:
    museum.records("A museum", RECORD)
    museum.model()
    for role in Role:
        museum.user(role.value, role)
    return museum


@pytest.fixture
def desk(museum_with_people: Museum, tmp_path: Path) -> Iterator[ServedDesk]:
    with served_desk(tmp_path) as desk:
        yield desk


def test_every_route_has_a_role_or_a_reason() -> None:
    without = {(method, path) for method, path, route in walked() if not isinstance(route, Asks)}
    assert without == WITHOUT_ROLE.keys()


def test_a_route_that_is_posted_to_needs_more_than_a_viewer() -> None:
    for_viewers = {route.path for _, route in guarded("POST") if route.role is Role.VIEWER}
    assert for_viewers == {"/logout"}  # which only ends what is one's own


def test_a_page_is_no_action_and_an_action_no_page() -> None:
    for method, route in guarded():
        assert (route.methods or set()) - {"HEAD"} == {method}, route.path


def test_nobody_gets_the_login_and_does_nothing(
    museum_with_people: Museum, desk: ServedDesk
) -> None:
    nobody = Caller(desk)
    before = museum_with_people.rows(EVERYTHING)
    for method, route in guarded():
        path = filled_in(route.path)
        answer = nobody.get(path) if method == "GET" else nobody.post(path, {})
        assert answer.status_code == 303, (method, path)
        assert answer.headers["location"].startswith("/login?after=%2F"), (method, path)
        said = nobody.session.request(
            method, desk.url + path, headers={"accept": "application/json"}, allow_redirects=False
        )
        assert (said.status_code, said.json()) == (401, {"error": "Log in again."}), (method, path)
    assert museum_with_people.rows(EVERYTHING) == before


def test_what_needs_no_role_shows_a_stranger_nothing_else(desk: ServedDesk) -> None:
    for (method, path), (status, _) in WITHOUT_ROLE.items():
        answer = Caller(desk).session.request(method, desk.url + path, allow_redirects=False)
        assert answer.status_code == status, (method, path)
        assert "Log out" not in answer.text


@pytest.mark.parametrize("role", Role)
def test_a_role_opens_what_it_may_and_nothing_else(
    museum_with_people: Museum, desk: ServedDesk, role: Role
) -> None:
    caller = Caller(desk, role.value)
    higher = list(Role)[list(Role).index(role) + 1 :]
    for _, route in guarded("GET"):
        answer = caller.get(filled_in(route.path))
        assert answer.status_code < 500, route.path
        assert (answer.status_code == 403) == (route.role in higher), route.path
    before = museum_with_people.rows(EVERYTHING)
    for _, route in guarded("POST"):
        if route.role not in higher:
            continue
        answer = caller.post(filled_in(route.path), {"action": "pause", "concept": MAP})
        assert answer.status_code == 403, route.path
        assert f"needs the role {route.role}" in answer.text
    assert museum_with_people.rows(EVERYTHING) == before


@pytest.mark.parametrize("word", ["", "x", "another's"])
def test_no_action_is_done_without_the_word_of_the_session(
    museum_with_people: Museum, desk: ServedDesk, word: str
) -> None:
    operator = Caller(desk, Role.OPERATOR.value)
    brought = Caller(desk, Role.REVIEWER.value).word if word == "another's" else word
    before = museum_with_people.rows(EVERYTHING)
    for _, route in guarded("POST"):
        answer = operator.post(filled_in(route.path), {"action": "pause"}, word=brought)
        assert answer.status_code == 403, route.path
        assert "did not act" in answer.text, route.path
    assert museum_with_people.rows(EVERYTHING) == before


def test_an_empty_form_with_the_word_breaks_nothing(
    museum_with_people: Museum, desk: ServedDesk
) -> None:
    operator = Caller(desk, Role.OPERATOR.value)
    for _, route in guarded("POST"):
        if route.path == "/logout":
            continue
        answer = operator.post(filled_in(route.path), {"x": "1"})
        assert answer.status_code != 500, route.path
    assert "Traceback" not in desk.log()
