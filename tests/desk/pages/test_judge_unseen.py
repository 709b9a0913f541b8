"""Nobody judges what nobody sees: pictures that cannot be loaded, tried again, and open large."""

import pytest
from playwright.sync_api import Browser, expect

from tests.desk.museum import Museum
from tests.desk.pages.maps import RECORDS, STANDING, hang_maps, saved
from tests.desk.picture_host import PictureHost
from tests.desk.served import ServedDesk
from tests.desk.visiting import Visit
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def filled(museum: Museum, pictures: PictureHost) -> Museum:
    """Maps, of which the first and the second picture cannot be loaded."""
    pictures.miss(RECORDS[0])
    pictures.miss(RECORDS[1])
    return hang_maps(museum)


def test_a_picture_that_cannot_be_loaded_is_judged_by_no_key_until_it_is_there(
    filled: Museum, pictures: PictureHost, desk: ServedDesk, visit: Visit
) -> None:
    visit.page.goto(desk.url + "/judge")
    first = visit.page.locator(".batch > .card").first
    expect(first.locator(".missing")).to_have_text("This picture cannot be loaded at the moment.")
    visit.press("r", "w", "g", "t", "l", "a")
    saved(visit)
    assert [record for record, _, _ in filled.rows(STANDING)] == RECORDS[2:10]
    expect(visit.page.locator(".note")).to_contain_text("Not judged")
    pictures.missing.clear()
    first.get_by_role("button", name="Try again").click()
    expect(first.locator("img")).to_be_visible()
    expect(first.locator(".missing")).to_have_count(0)
    first.locator("img").evaluate("image => image.decode()")
    first.focus()
    visit.press("w")
    expect(visit.page.locator(".next")).to_be_focused()  # the second one is passed over
    visit.page.locator(".batch > .card").nth(1).focus()
    visit.press("c")  # it is not there, which a reviewer may say
    saved(visit)
    assert [said for _, said, _ in filled.rows(STANDING)][:2] == ["wrong", "cannot_tell"]
    assert visit.problems == []


def test_what_cannot_be_loaded_is_not_ticked_among_look_alikes(
    filled: Museum, desk: ServedDesk, visit: Visit
) -> None:
    visit.page.goto(desk.url + "/judge")
    visit.press("ArrowRight", "ArrowRight", "l")
    dialog = visit.page.locator("dialog.alike")
    heading = "These pictures look alike. Do they show map?"
    expect(dialog.get_by_role("heading")).to_have_text(heading)
    expect(dialog.locator(".about")).to_contain_text(f"Title of {RECORDS[2]}")
    for record in RECORDS[:2]:
        expect(dialog.locator(f"input[value='{record}']")).to_be_disabled()
        expect(dialog.locator(f"input[value='{record}']")).not_to_be_checked()
    visit.press("r")
    saved(visit)
    judged = [record for record, _, _ in filled.rows(STANDING)]
    assert len(judged) == 11
    assert not {RECORDS[0], RECORDS[1]} & set(judged)


def test_a_picture_opens_large_and_is_zoomed_by_key_and_wheel(
    filled: Museum, pictures: PictureHost, desk: ServedDesk, visit: Visit
) -> None:
    filled.execute(
        "UPDATE record SET media_url = :url WHERE id = :id",
        url=f"{pictures.url}/large.jpg",
        id=RECORDS[2],
    )
    visit.page.goto(desk.url + "/judge")
    visit.press("ArrowRight", "ArrowRight", "z")
    picture = visit.page.locator("dialog.large img")
    picture.evaluate("image => image.decode()")
    assert picture.evaluate("image => image.naturalWidth") == 1600  # the provider's file
    width = picture.evaluate("image => image.clientWidth")
    visit.press("+", "+", "r")  # no key judges what is behind
    assert picture.evaluate("image => image.clientWidth") > 1.4 * width
    picture.hover()
    visit.page.mouse.wheel(0, 400)
    wait_for(lambda: picture.evaluate("image => image.clientWidth") < 1.4 * width)
    visit.press("Escape")
    expect(visit.page.locator("dialog.large")).to_be_hidden()
    expect(visit.page.locator(".batch > .card").nth(2)).to_be_focused()
    assert filled.rows(STANDING) == []
    assert visit.problems == []


def test_without_a_script_a_link_opens_the_picture(
    filled: Museum, desk: ServedDesk, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(desk.url + "/judge")
    page.locator("a[data-large]").nth(2).click()
    page.wait_for_url(f"**/pictures{RECORDS[2]}")
    assert page.locator("img").evaluate("image => image.naturalWidth") == 300  # the thumbnail
    context.close()
