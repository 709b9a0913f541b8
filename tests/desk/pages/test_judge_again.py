"""Judging that goes on: after Reload and Back, in another window, and beside a colleague."""

import pytest
from playwright.sync_api import Browser, expect

from common.store.tables import VerdictKind
from tests.desk.caller import Caller
from tests.desk.museum import BUILT_IN, MAP, PAINTING, Museum
from tests.desk.pages.maps import RECORDS, STANDING, hang_maps, saved
from tests.desk.served import ServedDesk
from tests.desk.visiting import Visit, visiting

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def filled(museum: Museum) -> Museum:
    return hang_maps(museum)


def shown(visit: Visit) -> list[str | None]:
    cards = visit.page.locator(".batch > .card")
    return [each.get_attribute("data-record") for each in cards.all()]


def mine(visit: Visit, place: int) -> str:
    return visit.page.locator(".batch .mine").nth(place).inner_text()


def come_back(visit: Visit) -> None:
    """What a browser tells a page whose window gets the focus again."""
    visit.page.evaluate("dispatchEvent(new Event('focus'))")


def test_reload_and_back_bring_the_same_ten_with_what_was_said(
    filled: Museum, desk: ServedDesk, visit: Visit
) -> None:
    visit.page.goto(desk.url + "/judge")
    visit.press("r", "w")
    saved(visit)
    visit.page.reload()
    assert shown(visit) == RECORDS[:10]
    assert [mine(visit, place) for place in range(3)] == ["right", "wrong", ""]
    expect(visit.page.locator(".batch > .card").nth(2)).to_be_focused()
    visit.press("a", "Enter")
    visit.page.wait_for_url("**/judge?*after=*")
    visit.page.go_back()
    assert shown(visit) == RECORDS[:10]
    assert [mine(visit, place) for place in range(3)] == ["right", "wrong", "right"]
    assert visit.problems == []


def test_undo_knows_after_a_reload_what_was_said_before_it(
    filled: Museum, desk: ServedDesk, visit: Visit
) -> None:
    visit.page.goto(desk.url + "/judge")
    visit.press("t")
    visit.page.keyboard.type("paint")
    visit.press("Enter", "ArrowLeft", "r", "a")
    saved(visit)
    visit.page.reload()
    visit.press("u", "u")
    saved(visit)
    assert filled.rows(STANDING) == [(RECORDS[0], "wrong", PAINTING)]
    assert mine(visit, 0) == "wrong: painting"
    visit.press("u")
    saved(visit)
    assert filled.rows(STANDING) == []


def test_undo_leaves_what_was_said_elsewhere_since_then(
    filled: Museum, desk: ServedDesk, visit: Visit
) -> None:
    visit.page.goto(desk.url + "/judge")
    visit.press("r")
    saved(visit)
    filled.say(BUILT_IN, RECORDS[0], MAP, VerdictKind.TOO_GENERAL)
    come_back(visit)
    expect(visit.page.locator(".batch .mine").first).to_have_text("too general")
    visit.press("u")
    saved(visit)
    assert filled.rows(STANDING) == [(RECORDS[0], "too_general", "")]


def test_a_page_that_gets_the_focus_again_shows_what_others_said_meanwhile(
    filled: Museum, desk: ServedDesk, browser: Browser
) -> None:
    filled.user("one")
    with visiting(browser) as visit:
        visit.log_in(desk.url, "one")
        visit.page.goto(desk.url + "/judge")
        address = visit.page.url
        other = visit.context.new_page()
        other.goto(address)
        other.keyboard.press("w")
        other.locator(".unsaved[data-count='0']").wait_for(state="attached")
        filled.say("two", RECORDS[1], MAP, VerdictKind.WRONG, instead=PAINTING)
        visit.page.bring_to_front()
        come_back(visit)
        expect(visit.page.locator(".batch .mine").first).to_have_text("wrong")
        others = visit.page.locator(".batch .others").nth(1)
        expect(others).to_contain_text("wrong: painting two")
        expect(visit.page.locator(".fifty")).to_contain_text("A museum: 2 of about 50")
        expect(visit.page.locator(".done")).to_have_text("1")
        assert visit.problems == []


def test_what_is_not_sent_yet_is_shown_after_a_reload(
    filled: Museum, desk: ServedDesk, visit: Visit
) -> None:
    visit.page.goto(desk.url + "/judge")
    visit.page.route("**/verdicts", lambda route: route.abort())
    visit.press("r")
    expect(visit.page.locator(".unsaved")).to_contain_text("1 not saved yet")
    visit.page.reload()
    assert mine(visit, 0) == "right"
    assert filled.rows(STANDING) == []


def test_without_a_script_the_same_ten_come_back_and_a_verdict_is_taken_back(
    filled: Museum, desk: ServedDesk, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(desk.url + "/judge")
    page.locator(".say button", has_text="Wrong").first.click()
    assert page.locator(".batch .mine").first.inner_text() == "wrong"
    assert page.locator(".batch > .card").first.get_attribute("data-record") == RECORDS[0]
    expect(page.get_by_role("button", name="Alike")).to_have_count(0)
    page.get_by_role("button", name="Take back").click()
    page.get_by_text("1 verdict withdrawn").wait_for()
    assert page.locator(".batch .mine").first.inner_text() == ""
    assert filled.rows(STANDING) == []
    context.close()


def test_an_address_of_cards_that_are_not_there_is_told(filled: Museum, desk: ServedDesk) -> None:
    caller = Caller(desk)
    for cards in ("card=x", "card=/1/none+x", f"card={RECORDS[0]}+nothing", "card=&next=%00x"):
        answer = caller.get(f"/judge?{cards}")
        assert answer.status_code in (200, 400), cards
        assert 'class="card"' not in answer.text
    many = "&".join(f"card={each}+{MAP}" for each in RECORDS * 10)
    assert caller.get(f"/judge?{many}").text.count('class="card"') <= 50
