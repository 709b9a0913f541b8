"""The page Publish over HTTP: a plan, its sending, the list, and a withdrawal."""

import re
from html import unescape

import pytest
import requests
from typer.testing import CliRunner

from common.publishing.plans import make_plan
from tests.common.store.verdict_rows import uri
from tests.desk.caller import Caller
from tests.desk.museum import Museum
from tests.desk.publishing.conftest import MAPS, OPERATOR, VIEWER, publish_all
from tests.desk.served import ServedDesk
from tests.publisher.statement_rows import MUSEUM, confirm, say
from trainer.cli import app

pytestmark = pytest.mark.timeout(600)

_ANSWER = re.compile(r'name="confirmed" value="([0-9a-f]{16})"')


def words(answer: requests.Response) -> str:
    """The text of a page in one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def confirmed(caller: Caller, path: str, fields: dict[str, str]) -> tuple[str, requests.Response]:
    """The words of the question, and the page after a yes."""
    asked = caller.post(path, fields)
    assert asked.status_code == 409, asked.text
    answer = _ANSWER.search(asked.text)
    assert answer is not None
    done = caller.post(path, fields | {"confirmed": answer[1]})
    assert done.status_code == 303, done.text
    return words(asked), caller.get(done.headers["location"])


def test_an_operator_makes_a_plan_looks_at_it_and_sends_it(
    museum: Museum, desk: ServedDesk
) -> None:
    with museum.engine.begin() as connection:
        say(connection, MAPS[0], "map", "wrong")
    operator = Caller(desk, OPERATOR)
    made = operator.post("/publish", {"provider": MUSEUM, "concept": uri("map")})
    assert made.headers["location"] == "/publish/1"
    page = words(operator.get("/publish/1"))
    for part in (
        "6 statements would be published",
        "Europeana was not asked yet",
        "1 certificate: audit 1",
        "may be wrong in 5 of 100 cases",
        "reviewers call the statement wrong or too general, or disagree 1",
        f"made by {OPERATOR}",
    ):
        assert part in page
    assert operator.get("/publish/1").text.count("/thumbnails") == 6
    question, sent = confirmed(operator, "/publish/1/send", {})
    assert "publishes 6 statements at Europeana" in question
    assert "6 statements are still to be sent" in words(sent)
    assert museum.rows("SELECT asked_by FROM publication_plan") == [(museum.users[OPERATOR],)]
    publish_all(museum)
    assert "This plan is sent. " in words(operator.get("/publish/1/live"))
    logged = [what for (what,) in museum.rows("SELECT what FROM desk_action ORDER BY id")]
    assert {"/publish", "/publish/{plan}/send"} <= set(logged)


def test_a_plan_without_statements_says_why_beside_the_form(
    museum: Museum, desk: ServedDesk
) -> None:
    operator = Caller(desk, OPERATOR)
    refused = operator.post("/publish", {"precision": "99"})
    assert refused.status_code == 400
    assert "There is nothing to publish" in words(refused)
    for fields, part in (
        ({"precision": "x"}, "which is not a number"),
        ({"concept": "http://x.org/none"}, "There is no concept"),
        ({"provider": "None"}, "no record of the data provider"),
    ):
        answer = operator.post("/publish", fields)
        assert (answer.status_code, part in words(answer)) == (400, True)
    assert museum.rows("SELECT 1 FROM publication_plan") == []
    for path in ("/publish/1", "/publish/x", "/publish/99999999999"):
        assert operator.get(path).status_code == 404


def test_the_list_tells_the_life_of_each_statement(museum: Museum, desk: ServedDesk) -> None:
    make_plan(museum.engine, user_id=museum.users[OPERATOR])
    publish_all(museum)
    for state, record, reason in (
        ("refused", MAPS[0], "unknown target"),
        ("already_said", MAPS[1], "http://data.europeana.eu/annotation/9"),
    ):
        museum.execute(
            "UPDATE publication SET state = :state, reason = :reason WHERE record_id = :record",
            state=state,
            record=record,
            reason=reason,
        )
    viewer = Caller(desk, VIEWER)
    page = viewer.get("/publish/statements")
    for part in (
        "5 published, 1 already at Europeana, 1 refused in all",
        f"Planned by {OPERATOR}",
        "refused : unknown target",
        "another annotation says it",
    ):
        assert part in words(page)
    assert 'href="http://data.europeana.eu/annotation/000004"' in page.text
    one = viewer.get(f"/publish/statements?state=refused&provider={MUSEUM}&concept={uri('map')}")
    assert one.text.count("where it comes from") == 1
    assert "map : refused since" in words(viewer.get(f"/records{MAPS[0]}"))
    assert "No statement fits" in words(viewer.get("/publish/statements?concept=http://x.org/x"))
    assert viewer.get("/publish/statements?state=x").status_code == 400


def test_pages_of_the_list_follow_each_other(museum: Museum, desk: ServedDesk) -> None:
    records = [f"/1/r{number:02}" for number in range(30)]
    museum.records(MUSEUM, *records)
    with museum.engine.begin() as connection:
        for each in records:
            confirm(connection, each)
    make_plan(museum.engine)
    seen: list[str] = []
    viewer, path = Caller(desk, VIEWER), "/publish/statements?state=planned"
    while path:
        page = viewer.get(path).text
        seen += re.findall(r'<a href="/records([^"]+)"><|<a href="/records([^"]+)">\n', page)
        more = re.search(r'rel="next" href="([^"]+)"', page)
        path = unescape(more[1]) if more else ""
    found = [one or other for one, other in seen]
    assert found == sorted({*records, *MAPS})


def test_a_withdrawal_says_the_numbers_and_what_stays(museum: Museum, desk: ServedDesk) -> None:
    with museum.engine.begin() as connection:
        confirm(connection, MAPS[0])
    make_plan(museum.engine)
    publish_all(museum)
    operator = Caller(desk, OPERATOR)
    form = {"model": "audited@1", "reason": "trained on the wrong pictures"}
    question, after = confirmed(operator, "/publish/withdraw", form)
    assert "7 statements are published in this selection" in question
    assert "Statements that reviewers or other certificates confirm stay" in question
    assert "6 statements will be withdrawn. 1 statement stays" in words(after)
    assert "being withdrawn" in words(after)
    assert "trained on the wrong pictures" in words(after)
    question, after = confirmed(
        operator, "/publish/withdraw", {"provider": MUSEUM, "reason": "they asked"}
    )
    assert "1 statement is published in this selection. All these" in question
    assert museum.rows("SELECT state, count(*) FROM publication GROUP BY 1") == [("withdrawing", 7)]


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({}, "Choose what to withdraw"),
        ({"model": "audited@1", "provider": MUSEUM}, "only one of them"),
        ({"model": "none@1"}, "There is no model"),
        ({"audit": "99"}, "There is no audit 99"),
        ({"audit": "x"}, "which is not a number"),
        ({"job": "x"}, "not the ID of a job"),
        ({"concept": "http://x.org/none"}, "There is no concept"),
        ({"audit": "1", "reason": " "}, "Give the reason"),
    ],
)
def test_a_wrong_withdrawal_ends_no_grounds(
    museum: Museum, desk: ServedDesk, fields: dict[str, str], part: str
) -> None:
    answer = Caller(desk, OPERATOR).post("/publish/withdraw", {"reason": "why"} | fields)
    assert (answer.status_code, part in words(answer)) == (400, True)
    assert museum.rows("SELECT 1 FROM withdrawal") == []


def test_retiring_a_model_says_how_many_statements_lose_their_grounds(museum: Museum) -> None:
    make_plan(museum.engine)
    publish_all(museum)
    retired = CliRunner().invoke(app, ["models", "retire", "audited@1"])
    assert retired.exit_code == 0
    said = " ".join(retired.stderr.split())
    assert "7 published statements are no longer confirmed, certified or allowed" in said
    assert "publisher sync" in said


def test_a_decision_that_ends_grounds_offers_the_withdrawal(
    museum: Museum, desk: ServedDesk
) -> None:
    make_plan(museum.engine)
    publish_all(museum)
    operator = Caller(desk, OPERATOR)
    form = {"decided": "blocked", "concept": uri("map"), "reason": "too general"}
    after = operator.get(operator.post("/decisions", form).headers["location"])
    assert "7 published statements are no longer confirmed, certified or allowed" in words(after)
    undone = operator.post("/decisions/2/undo").headers["location"]
    assert "grounds" not in words(operator.get(undone))
    undone = operator.post("/decisions/1/undo").headers["location"]
    assert "7 published statements are no longer confirmed" in words(operator.get(undone))
