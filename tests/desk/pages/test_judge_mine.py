"""My verdicts: found, filtered, changed and taken back; those of audits are not there."""

import pytest
from playwright.sync_api import Browser, expect

from common.store.tables import VerdictKind
from desk.audits.draw import draw
from desk.audits.judging import drawn_rows
from desk.audits.subject import AuditSubject
from tests.desk.caller import Caller
from tests.desk.conftest import OURS, RECORDS, THEIRS
from tests.desk.museum import MAP, PAINTING, VASE, Museum
from tests.desk.pages.maps import STANDING, saved
from tests.desk.served import ServedDesk
from tests.desk.visiting import Visit, visiting

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def said(filled: Museum) -> Museum:
    """Three verdicts of one reviewer, and one of another."""
    filled.say("one", RECORDS[0], MAP, VerdictKind.RIGHT)
    filled.say("one", RECORDS[1], PAINTING, VerdictKind.WRONG, instead=VASE)
    filled.say("one", RECORDS[6], MAP, VerdictKind.TOO_GENERAL)
    filled.say("two", RECORDS[2], VASE, VerdictKind.WRONG)
    return filled


def shown(visit: Visit) -> list[str | None]:
    cards = visit.page.locator(".batch > .card")
    return [each.get_attribute("data-record") for each in cards.all()]


def test_they_are_found_changed_and_taken_back(
    said: Museum, desk: ServedDesk, visit: Visit
) -> None:
    visit.log_in(desk.url, "one")
    visit.page.goto(desk.url + "/judge")
    visit.page.get_by_role("link", name="My verdicts").click()
    visit.page.get_by_role("heading", name="My verdicts").wait_for()
    assert shown(visit) == [RECORDS[6], RECORDS[1], RECORDS[0]]
    visit.wait_for_pictures()
    visit.page.locator(".batch > .card").nth(1).focus()
    visit.press("r")
    saved(visit)
    visit.page.get_by_role("button", name="Take back").nth(2).click()
    saved(visit)
    changed = [
        (RECORDS[1], "right", ""),
        (RECORDS[2], "wrong", ""),
        (RECORDS[6], "too_general", ""),
    ]
    assert said.rows(STANDING) == changed
    visit.page.reload()
    assert shown(visit) == [RECORDS[1], RECORDS[6]]
    visit.press("u", "u")
    saved(visit)
    before = [(RECORDS[0], "right", ""), (RECORDS[1], "wrong", VASE)]
    assert said.rows(STANDING)[:2] == before
    assert visit.problems == []


def test_filters_find_verdicts(said: Museum, desk: ServedDesk) -> None:
    caller = Caller(desk, "one")

    def found(query: str) -> list[str]:
        text = caller.get(f"/judge/mine?{query}").text
        return [each for each in RECORDS if f'data-record="{each}"' in text]

    assert found("said=wrong") == [RECORDS[1]]
    assert found(f"provider={THEIRS}") == [RECORDS[6]]
    assert found("concept=map") == [RECORDS[0], RECORDS[6]]
    assert found("concept=vase") == [RECORDS[1]]  # what it is instead
    assert found(f"said=right&provider={THEIRS}") == []
    assert caller.get("/judge/mine?said=perhaps").status_code == 400
    assert caller.get("/judge/mine?before=x").status_code == 400


def test_older_ones_come_on_further_pages(said: Museum, desk: ServedDesk, visit: Visit) -> None:
    more = [f"/2/m{number:02}" for number in range(22)]
    said.records(OURS, *more)
    for record in more:
        said.say("one", record, MAP, VerdictKind.RIGHT)
    visit.log_in(desk.url, "one")
    visit.page.goto(desk.url + "/judge/mine")
    assert shown(visit) == more[:1:-1]
    visit.page.get_by_role("link", name="Older").click()
    visit.page.wait_for_url("**before=*")
    assert shown(visit) == [more[1], more[0], RECORDS[6], RECORDS[1], RECORDS[0]]


def test_verdicts_of_an_audit_are_not_among_them(said: Museum, desk: ServedDesk) -> None:
    subject = AuditSubject(model_id=said.the_model, data_provider=OURS, concept_uri=None)  # type: ignore[attr-defined]
    audit = draw(said.engine, subject, sample=2, user_id=said.user("one"))
    for row in drawn_rows(said.engine, audit, user_id=said.user("one")):
        said.say("one", row.record_id, row.concept_uri, VerdictKind.CANNOT_TELL, audit_id=audit)
    caller = Caller(desk, "one")
    assert 'data-said="cannot_tell"' not in caller.get("/judge/mine").text
    for record in RECORDS[:6]:
        assert 'data-said="cannot_tell"' not in caller.get(f"/records{record}").text


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_and_is_usable_by_all(
    said: Museum, desk: ServedDesk, browser: Browser, width: int
) -> None:
    with visiting(browser, width=width) as visit:
        visit.log_in(desk.url, "one")
        for path in ("/judge/mine", f"/records{RECORDS[1]}"):
            visit.page.goto(desk.url + path)
            visit.check_usable()
        expect(visit.page.locator(".problem")).to_have_count(0)
