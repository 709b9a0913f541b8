"""What the desk makes of requests: refusals, hostile text, ways back, and the log of actions."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

import pytest

from common.store.tables import Role
from desk.web.asking import go_to
from desk.web.noted_actions import LONGEST_LOGGED
from tests.desk.caller import Caller
from tests.desk.conftest import RECORDS
from tests.desk.museum import MAP, PASSWORD, Museum
from tests.desk.served import ServedDesk, served_desk
from tests.desk.visiting import Visit

pytestmark = pytest.mark.timeout(600)

_FIELDS = re.compile(r'<(?:input|button)[^>]* name="(\w+)" value="([^"]*)"')
ACTIONS = "SELECT what, about FROM desk_action WHERE what LIKE '/%' ORDER BY id"

HOSTILE_ADDRESSES = [
    ("/models/a%00", 400),
    ("/models/test@999999999", 404),
    ("/models/test@99999999999", 400),
    ("/records/1/a%00", 400),
    ("/records/..%2f..%2fetc/passwd", 404),
    ("/records/1/%ff%fe", 404),
    ("/thumbnails/1/%2e%2e", 404),
    ("/thumbnails/1/" + "a" * 600, 404),
    ("/thumbnails/1/a'--", 404),
    ("/heatmaps/..%2f..%2fetc%2fpasswd", 404),
    ("/heatmaps/" + "A" * 64, 404),
    ("/jobs/x/live", 400),
    (f"/jobs/{UUID(int=0)}/live", 400),
    ("/trainings/%2e%2e/report", 404),
    ("/see?job=%ff", 400),
    ("/see?provider=%ff", 400),
    ("/see?lowest=1e999", 400),
    ("/see?after=%ff%00", 400),
    (f"/see?job={UUID(int=0)}&after=99999999999.99", 200),
    (f"/see?job={UUID(int=0)}&after=-1.0", 400),
    ("/see?model=test@999999999", 200),
    ("/alike?record=%00&concept=x", 400),
    ("/actions?before=99999999999999999", 200),
    ("/actions?before=999999999999999999999", 400),
    ("/actions?before=²", 400),
    ("/jobs?state=running%00", 400),
    ("//evil.example/see", 404),
    ("/%2f%2fevil.example", 404),
    ("/" + "a" * 20_000, 404),
]


@pytest.fixture
def people(filled: Museum) -> Museum:
    for role in Role:
        filled.user(role.value, role)
    return filled


@pytest.fixture
def job(filled: Museum) -> UUID:
    found: UUID = filled.the_job  # type: ignore[attr-defined]
    filled.execute("UPDATE job SET state = 'running', finished_at = NULL")
    return found


def state(museum: Museum) -> object:
    return museum.rows("SELECT state FROM job")[0][0]


def verdict(**changed: str) -> dict[str, str]:
    said = {"id": str(uuid4()), "record": RECORDS[0], "concept": MAP, "said": "right"}
    return said | {"instead": "", "model": ""} | changed


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/jobs", "/jobs"),
        ("/jobs?state=running", "/jobs?state=running"),
        ("/models/pilot v2", "/models/pilot%20v2"),
        ("/see?provider=Μουσείο", f"/see?provider={quote('Μουσείο')}"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/%5Cevil.example/"),
        ("/\t/evil.example/", "/%09/evil.example/"),
        ("javascript:alert(1)", "/"),
        ("evil.example", "/"),
        ("/jobs\r\nSet-Cookie: a=b", "/jobs%0D%0ASet-Cookie:%20a=b"),
        ("/" + "x" * 3_000, "/"),
        ("", "/"),
    ],
)
def test_an_action_leads_to_a_page_of_the_desk(path: str, address: str) -> None:
    answer = go_to(path, nothing=None)
    assert answer.headers["location"] == address
    assert set(answer.headers) == {"location", "content-length"}


def test_a_role_that_may_not_is_told_so_on_a_page_and_nothing_is_done(
    people: Museum, job: UUID, desk: ServedDesk, visit: Visit
) -> None:
    visit.log_in(desk.url, "reviewer")
    answer = visit.page.goto(desk.url + "/jobs/new")
    assert answer is not None
    assert answer.status == 403
    assert visit.page.get_by_role("heading").inner_text() == "Not allowed"
    assert (
        "needs the role operator, but your account has the role reviewer"
        in visit.page.inner_text("main")
    )
    refused = Caller(desk, "reviewer").post("/jobs/steer", {"action": "pause", "job": str(job)})
    assert refused.status_code == 403
    assert state(people) == "running"
    assert people.rows(ACTIONS) == []


def test_who_may_not_is_refused_before_the_body_is_read(people: Museum, desk: ServedDesk) -> None:
    boundary = {"headers": {"content-type": "multipart/form-data; boundary=x"}}
    for caller, status in ((Caller(desk), 303), (Caller(desk, "viewer"), 403)):
        answer = caller.post("/jobs/new", b"no form at all", **boundary)
        assert answer.status_code == status
    answer = Caller(desk, "operator").post("/jobs/new", b"no form at all", **boundary)
    assert answer.status_code == 400


def test_an_action_from_another_origin_does_nothing(
    people: Museum, job: UUID, desk: ServedDesk
) -> None:
    operator = Caller(desk, "operator")
    pause = {"action": "pause", "job": str(job)}
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": desk.url.replace("http:", "https:")},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        answer = operator.post("/jobs/steer", pause, headers=headers)
        assert answer.status_code == 403
        assert "a page of another address" in answer.text
    assert state(people) == "running"
    assert people.rows(ACTIONS) == []
    ours = {"origin": desk.url, "sec-fetch-site": "same-origin"}
    assert operator.post("/jobs/steer", pause, headers=ours).status_code == 303
    assert state(people) == "paused"


def test_scripts_are_answered_in_json(people: Museum, desk: ServedDesk) -> None:
    json = {"accept": "application/json"}
    viewer, reviewer = Caller(desk, "viewer"), Caller(desk, "reviewer")
    malformed = json | {"content-type": "multipart/form-data"}
    for answer, status, words in (
        (Caller(desk).get("/see", **json), 401, "Log in again."),
        (Caller(desk).post("/verdicts", verdict(), headers=json), 401, "Log in again."),
        (viewer.post("/verdicts", verdict(), headers=json), 403, "needs the role reviewer"),
        (viewer.get("/nothing", **json), 404, "has no page /nothing"),
        (viewer.get("/see?lowest=x", **json), 400, "not a number"),
        (reviewer.post("/verdicts", verdict(), word="", headers=json), 403, "did not act"),
        (reviewer.post("/verdicts", verdict(said="x"), headers=json), 400, "it must be one of"),
        (reviewer.post("/verdicts", b"x", headers=malformed), 400, "cannot read the form"),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
        assert words in answer.json()["error"]
    assert reviewer.post("/verdicts", verdict(), headers=json).json()["new"] == 1


def test_a_sign_that_no_text_has_is_refused(desk: ServedDesk, filled: Museum) -> None:
    caller = Caller(desk)
    caller.get("/jobs/new")
    for path, fields in (
        ("/jobs/steer", {"action": "pause\0"}),
        ("/jobs/steer", {"action": "pause", "all": "1", "state": "\0"}),
        ("/jobs/new", {"ids": "/1/a\n\0"}),
        ("/jobs/new", {"provider": "\0"}),
        ("/jobs/new", {"na\0me": "x"}),
        ("/models/a%00/activate", {}),
        ("/verdicts", verdict(record="\0")),
        ("/verdicts", verdict(said="wrong", instead="\0")),
        ("/records/1/a/explain", {"model": "\0"}),
    ):
        answer = caller.post(path, fields)
        assert answer.status_code == 400, (path, fields)
        assert "an invalid character" in answer.text
    assert filled.rows(ACTIONS) == []
    assert len(filled.rows("SELECT 1 FROM job")) == 1


def test_hostile_addresses_are_refused_in_words(desk: ServedDesk) -> None:
    caller = Caller(desk)
    for path, status in HOSTILE_ADDRESSES:
        answer = caller.get(path)
        assert answer.status_code == status, path
        assert "location" not in answer.headers
    assert "Traceback" not in desk.log()


def test_other_methods_do_nothing(filled: Museum, desk: ServedDesk) -> None:
    caller = Caller(desk)
    caller.get("/jobs/new")
    for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "FOO"):
        for path in ("/see", "/verdicts", "/jobs/steer", "/login", "/assets/desk.css", "/nothing"):
            answer = caller.session.request(
                method, desk.url + path, data=verdict(), headers={"x-csrf": caller.word}
            )
            assert answer.status_code == 405, (method, path)
    seen = caller.session.head(desk.url + "/see")
    assert (seen.status_code, seen.text) == (200, "")
    assert caller.session.head(desk.url + "/verdicts").status_code == 404
    assert filled.rows("SELECT 1 FROM verdict") == []


def test_no_field_leads_elsewhere(filled: Museum, job: UUID, desk: ServedDesk) -> None:
    caller = Caller(desk)
    caller.get("/jobs/new")
    steered = {"action": "pause", "all": "1", "job": str(job)}
    hostile = ("https://evil.example/", "//evil.example", "/jobs\r\nSet-Cookie: a=b", "x" * 100_000)
    for back in hostile:
        for path, fields in (("/jobs/steer", steered), ("/verdicts", verdict())):
            answer = caller.post(path, fields | {"back": back})
            assert answer.status_code == 303, (path, back)
            where = answer.headers["location"]
            assert where.startswith("/")
            assert not where.startswith("//")
            assert len(where) < 3_000
            assert "a=b" not in answer.headers.get("set-cookie", "")
        filled.execute("UPDATE job SET state = 'running'")


def test_an_action_leads_back_to_the_filtered_page(
    job: UUID, desk: ServedDesk, visit: Visit
) -> None:
    visit.page.goto(desk.url + "/jobs?state=running")
    visit.page.get_by_label("all running jobs").check()
    visit.page.get_by_role("button", name="Pause").click()
    visit.page.get_by_role("status").get_by_text("1 of 1 jobs paused").wait_for()
    assert visit.page.get_by_text("There is no running job").is_visible()


def test_what_is_told_is_signed_by_the_session(people: Museum, job: UUID, desk: ServedDesk) -> None:
    operator, other = Caller(desk, "operator"), Caller(desk, "operator")
    for back in ("/jobs?state=running", "https://evil.example/"):
        people.execute("UPDATE job SET state = 'running'")
        steered = {"action": "pause", "job": str(job), "back": back}
        where = operator.post("/jobs/steer", steered).headers["location"]
        while (answer := operator.get(where)).status_code == 303:  # / leads to the first page
            where = answer.headers["location"]
        assert "1 of 1 jobs paused" in answer.text
        assert "jobs paused" not in other.get(where).text


def test_a_strangers_link_says_nothing_on_our_pages(people: Museum, desk: ServedDesk) -> None:
    operator = Caller(desk, "operator")
    words = "Write your password to evil.example"
    for signed in ("", "x", "\u20ac", "a" * 32):
        for path in ("/see?", "/?", "/jobs?state=running&"):
            link = path + urlencode({"told": words, "signed": signed})
            answer = operator.get(link, **{"sec-fetch-site": "same-origin"})
            assert "evil.example" not in answer.text
            assert "evil.example" not in answer.headers.get("location", "")
    entering = Caller(desk)
    entered = entering.log_in("operator", after="/see?" + urlencode({"told": words}))
    assert words not in entering.get(entered.headers["location"]).text


def test_the_way_to_the_login_keeps_the_filters(people: Museum, desk: ServedDesk) -> None:
    nobody = Caller(desk)
    asked = nobody.get(f"/see?provider={quote('Μουσείο')}&judged=no")
    after = f"/see?provider={quote('Μουσείο')}&judged=no"
    assert asked.headers["location"] == f"/login?{urlencode({'after': after})}"
    assert nobody.get("//evil.example/x").headers["location"] == (
        f"/login?{urlencode({'after': '//evil.example/x'})}"
    )
    assert nobody.get("/login?after=//evil.example/x").text.count("evil.example") == 0


def test_an_action_is_logged_before_it_is_done_and_holds_no_secret(
    people: Museum, job: UUID, desk: ServedDesk
) -> None:
    operator = Caller(desk, "operator")
    word = operator.word
    operator.post("/jobs/steer", {"action": "pause", "job": str(job), "back": "/jobs"})
    refused = {"ids": "/1/secret\n", "csrf": word, "password": PASSWORD, "key": "k", "skip": "1"}
    assert operator.post("/jobs/new", refused | {"model": "absent"}).status_code >= 400
    logged = people.rows(ACTIONS)
    assert logged == [
        ("/jobs/steer", {"action": "pause", "job": str(job)}),
        ("/jobs/new", {"model": "absent", "skip": "1"}),
    ]
    assert not {word, PASSWORD, "secret"} & set(str(logged))
    assert all(secret not in str(logged) + desk.log() for secret in (word, PASSWORD, "/1/secret"))


def test_the_log_has_the_parts_of_the_path_and_whole_fields_that_the_view_knows(
    people: Museum, desk: ServedDesk
) -> None:
    operator = Caller(desk, "operator")
    provider = "x" * 3_000
    forged = [(f"f{number}", "x") for number in range(40)]
    forged += [("provider", provider), ("provider", "y, z"), ("model", "another"), ("job", "1")]
    operator.post("/models/test@1/activate", forged)
    assert people.rows(ACTIONS) == [
        ("/models/{model}/activate", {"model": "test@1", "provider": [provider, "y, z"]})
    ]
    assert "another" not in operator.get("/actions").text


def test_what_the_log_cannot_hold_is_not_done(people: Museum, job: UUID, desk: ServedDesk) -> None:
    operator = Caller(desk, "operator")
    answer = operator.post("/jobs/steer", {"action": "pause", "job": "1" * (LONGEST_LOGGED + 1)})
    assert (answer.status_code, state(people)) == (400, "running")
    assert people.rows(ACTIONS) == []


def test_many_at_once_wait_for_each_other_or_are_told_that_the_desk_is_busy(
    filled: Museum, tmp_path: Path
) -> None:
    with served_desk(tmp_path, DESK_CONNECTIONS="2") as desk, ThreadPoolExecutor(12) as pool:
        began = time.monotonic()
        answers = list(pool.map(lambda _: Caller(desk).get("/jobs/new"), range(24)))
        assert {answer.status_code for answer in answers} == {200}
        assert time.monotonic() - began < 25  # nobody held a connection and waited for another
        assert "Traceback" not in desk.log()


def test_a_question_gives_the_form_back_and_asks_again_if_it_changed(
    people: Museum, job: UUID, desk: ServedDesk
) -> None:
    operator = Caller(desk, "operator")
    sent = {"action": "cancel", "all": "1", "state": "running", "back": "/jobs?state=running"}
    asked = operator.post("/jobs/steer", sent)
    assert (asked.status_code, state(people)) == (409, "running")
    again = dict(reversed(_FIELDS.findall(asked.text)))  # yes is the first button
    assert again.items() >= sent.items()
    other = people.job(people.the_model, ["/1/x"])  # type: ignore[attr-defined]
    people.execute("UPDATE job SET state = 'running', finished_at = NULL WHERE id = :id", id=other)
    assert operator.post("/jobs/steer", again).status_code == 409  # they are two by now
    people.execute("UPDATE job SET state = 'done', finished_at = now() WHERE id = :id", id=other)
    assert operator.post("/jobs/steer", again).status_code == 303
    cancelled = people.rows("SELECT id FROM job WHERE state = 'cancelled'")
    assert cancelled == [(job,)]
