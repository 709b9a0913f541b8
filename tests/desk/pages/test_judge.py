"""Judging in a real browser, at a real desk that is killed, and with two reviewers at once."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, expect

from tests.desk.desk_process import DeskProcess
from tests.desk.museum import LABELS, PAINTING, VASE, Museum
from tests.desk.pages.maps import RECORDS, STANDING, hang_maps, saved
from tests.desk.served import ServedDesk
from tests.desk.visiting import Visit, browsing, visiting

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def filled(museum: Museum) -> Museum:
    return hang_maps(museum)


def test_keys_say_what_is_kept(filled: Museum, desk: ServedDesk, visit: Visit):
    visit.page.goto(desk.url + "/judge")
    visit.press("r", "w", "g", "c")
    visit.press("t")
    visit.page.keyboard.type("paint")
    visit.press("Enter")
    saved(visit)
    assert filled.rows(STANDING) == [
        (RECORDS[0], "right", ""),
        (RECORDS[1], "wrong", ""),
        (RECORDS[2], "too_general", ""),
        (RECORDS[3], "cannot_tell", ""),
        (RECORDS[4], "wrong", PAINTING),
    ]
    assert visit.page.locator(".done").inner_text() == "5"
    assert visit.problems == []


def test_undo_brings_back_what_stood(filled: Museum, desk: ServedDesk, visit: Visit):
    visit.page.goto(desk.url + "/judge")
    visit.press("r", "ArrowLeft", "w", "u", "ArrowRight", "w", "u")
    saved(visit)
    assert filled.rows(STANDING) == [(RECORDS[0], "right", "")]


def test_the_rest_of_ten_is_right_with_a_key_and_the_next_ten_come(
    filled: Museum, desk: ServedDesk, visit: Visit
):
    visit.page.goto(desk.url + "/judge")
    visit.press("w", "a", "Enter")
    visit.page.wait_for_url("**/judge?*after=*")
    visit.wait_for_pictures()
    assert visit.page.locator(".batch > .card").count() == 10
    said = [said for _, said, _ in filled.rows(STANDING)]
    assert said == ["wrong", *["right"] * 9]
    visit.press("a", "Enter")
    expect(visit.page.locator(".batch > .card")).to_have_count(3)


def test_what_looks_alike_is_judged_at_once_and_undone_at_once(
    filled: Museum, desk: ServedDesk, visit: Visit
):
    visit.page.goto(desk.url + "/judge")
    visit.press("l")
    boxes = visit.page.locator("dialog.alike input")
    boxes.first.wait_for()
    assert boxes.count() == 12
    visit.press("Space")  # takes the first away
    visit.press("r")
    saved(visit)
    assert [said for _, said, _ in filled.rows(STANDING)] == ["right"] * 12
    visit.press("u")
    saved(visit)
    assert filled.rows(STANDING) == []


def test_keys_leave_room_for_pictures_on_a_page_that_is_zoomed(
    filled: Museum, desk: ServedDesk, visit: Visit
):
    visit.page.set_viewport_size({"width": 640, "height": 420})  # 1280 x 840 at 200 %
    visit.page.goto(desk.url + "/judge")
    keys = visit.page.locator(".keys").bounding_box()
    assert keys is not None
    assert keys["height"] < 420 / 6


@pytest.mark.slow
def test_what_waits_for_a_slow_desk_is_counted_at_once(
    filled: Museum, process: DeskProcess, visit: Visit
):
    visit.page.goto(process.url + "/judge")
    saved(visit)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        visit.press("r", "w", "r")
        expect(visit.page.locator(".unsaved")).to_contain_text("3 not saved yet")
    finally:
        os.kill(process.pid, signal.SIGCONT)
    saved(visit)
    assert [said for _, said, _ in filled.rows(STANDING)] == ["right", "wrong", "right"]


@pytest.mark.slow
def test_a_verdict_survives_a_killed_desk_and_a_closed_page(
    filled: Museum, process: DeskProcess, visit: Visit
):
    visit.page.goto(process.url + "/judge")
    visit.press("r")
    saved(visit)
    process.kill()
    visit.press("w", "r")
    expect(visit.page.locator(".unsaved")).to_contain_text("2 not saved yet")
    expect(visit.page.locator(".unsaved")).to_contain_text("cannot reach the desk")
    visit.page.close()
    process.start()
    visit.page = visit.context.new_page()
    visit.page.goto(process.url + "/judge")
    saved(visit)
    assert [row[:2] for row in filled.rows(STANDING)] == [
        (RECORDS[0], "right"),
        (RECORDS[1], "wrong"),
        (RECORDS[2], "right"),
    ]
    assert len(filled.rows("SELECT 1 FROM verdict")) == 3


def test_a_double_click_says_it_once(filled: Museum, desk: ServedDesk, visit: Visit):
    visit.page.goto(desk.url + "/judge")
    visit.page.locator(".say button", has_text="Right").first.dblclick()
    saved(visit)
    assert [row[:2] for row in filled.rows(STANDING)] == [(RECORDS[0], "right")]


def test_without_a_script_there_are_forms(filled: Museum, desk: ServedDesk, browser: Browser):
    with visiting(browser) as visit:
        context = visit.context.browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(desk.url + "/judge")
        page.locator(".say button", has_text="Wrong").first.click()
        page.wait_for_load_state()
        assert page.locator(".batch > .card").count() == 10
        context.close()
    assert [row[:2] for row in filled.rows(STANDING)] == [(RECORDS[0], "wrong")]


def test_two_reviewers_at_once_are_both_kept(filled: Museum, desk: ServedDesk):
    filled.user("one")
    filled.user("two")

    def judge_ten(name: str, key: str) -> list[str]:
        with browsing() as browser, visiting(browser) as visit:
            visit.log_in(desk.url, name)
            visit.page.goto(f"{desk.url}/judge?judged=any")
            visit.press(*[key] * 10)
            saved(visit)
            return visit.problems

    with ThreadPoolExecutor(2) as reviewers:
        assert list(reviewers.map(judge_ten, ("one", "two"), "rw")) == [[], []]
    said = [row[:2] for row in filled.rows(STANDING)]
    assert sorted(said) == sorted(
        (record, word) for record in RECORDS[:10] for word in ("right", "wrong")
    )


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_and_is_usable_by_all(filled, desk: ServedDesk, browser: Browser, width: int):
    with visiting(browser, width=width) as visit:
        visit.page.goto(desk.url + "/judge")
        visit.check_usable()
        assert visit.problems == []


def test_all_concepts_can_be_typed(filled: Museum, desk: ServedDesk):
    page = desk.get("/judge")
    assert all(f'<option value="{label}"' in page for label in LABELS.values())
    assert VASE in page
