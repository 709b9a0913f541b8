"""The application: its assets, and what is on every answer."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from desk.access.headers import POLICY
from desk.web.rendering import ASSETS, asset_version
from tests.desk.caller import Caller
from tests.desk.conftest import OURS, RECORDS
from tests.desk.museum import Museum
from tests.desk.served import ServedDesk, served_desk
from tests.desk.visiting import visiting

pytestmark = pytest.mark.timeout(600)

_TITLE = re.compile("<title>(.*)</title>")
# Tables that are wider than the page, and have no shadow that says so.
_CUT = """
    [...document.querySelectorAll("table")].filter(table => {
        const place = table.parentElement;
        const shadow = getComputedStyle(place).backgroundImage.includes("gradient");
        return table.offsetWidth > place.clientWidth && !(place.matches(".scroll") && shadow);
    }).map(table => table.innerText)
"""
KEPT = "public, max-age=31536000, immutable"


@pytest.fixture
def desk(museum: Museum, tmp_path: Path) -> Iterator[ServedDesk]:
    with served_desk(tmp_path) as desk:
        yield desk


def test_browsers_keep_assets_of_this_version_and_nothing_else(desk: ServedDesk) -> None:
    nobody = Caller(desk)
    version = asset_version()
    for path in ASSETS.iterdir():
        kept = nobody.get(f"/assets/{path.name}?{version}")
        assert kept.headers["cache-control"] == KEPT
        assert kept.content == path.read_bytes()
        assert kept.headers["x-content-type-options"] == "nosniff"
        assert kept.headers["content-security-policy"] == POLICY
        again = nobody.get(
            f"/assets/{path.name}?{version}", **{"if-none-match": kept.headers["etag"]}
        )
        assert (again.status_code, again.headers["cache-control"]) == (304, KEPT)
    for other in ("/assets/desk.css", "/assets/desk.css?older", "/see", "/login", "/nothing"):
        assert nobody.get(other).headers["cache-control"] == "no-store"
    missing = nobody.get(f"/assets/none.css?{version}")
    assert (missing.status_code, missing.headers["cache-control"]) == (404, "no-store")


def test_pages_ask_for_assets_of_this_version(museum: Museum, desk: ServedDesk) -> None:
    asked = f"/assets/desk.css?{asset_version()}"
    assert asked in Caller(desk).get("/see").text
    museum.user()
    assert asked in Caller(desk).get("/login").text


def test_no_other_file_is_an_asset(desk: ServedDesk) -> None:
    hostile = ("", "..%2fasking.py", "%2e%2e/door.py", "..%5cdoor.py", "%2fetc%2fpasswd", "%00")
    for path in (*hostile, "a" * 5_000):
        answer = Caller(desk).get(f"/assets/{path}?{asset_version()}")
        assert answer.status_code == 404, path
        assert "import" not in answer.text
    assert "Traceback" not in desk.log()


def test_who_reads_no_page_gets_the_sign_of_the_desk(museum: Museum, desk: ServedDesk) -> None:
    museum.user()
    found = Caller(desk).get("/favicon.ico")
    assert (found.status_code, found.headers["content-type"]) == (200, "image/svg+xml")
    assert found.content == (ASSETS / "desk.svg").read_bytes()


def test_titles_tell_tabs_apart(filled: Museum, desk: ServedDesk) -> None:
    filled.execute("UPDATE job SET name = 'spring'")
    caller = Caller(desk)
    pages = [f"/jobs/{filled.the_job}", "/jobs", "/jobs?state=done", f"/records{RECORDS[0]}"]  # type: ignore[attr-defined]
    pages += ["/models/test@1", "/see", f"/see?provider={OURS}", f"/prove?provider={OURS}"]
    pages += [
        f"/teach?provider={OURS}",
        f"/judge?provider={OURS}&judged=yes",
        "/prove",
        "/prove?model=test@1",
    ]
    titles = [_TITLE.findall(caller.get(page).text)[0] for page in pages]
    assert titles[0] == "spring · Desk"
    assert len(set(titles)) == len(pages), titles


@pytest.mark.parametrize("javascript", [True, False])
def test_without_a_script_there_is_no_button_that_needs_one(
    filled: Museum, desk: ServedDesk, browser: Browser, javascript: bool
) -> None:
    with closing(browser.new_context(java_script_enabled=javascript)) as context:
        page = context.new_page()
        page.goto(desk.url + "/judge")
        expect(page.get_by_role("button", name="Right", exact=True).first).to_be_visible()
        for name in ("Other…", "Alike…", "Undo", "Mark the rest right"):
            expect(page.get_by_role("button", name=name).first).to_be_visible(visible=javascript)


def test_what_is_too_wide_for_a_narrow_page_visibly_goes_on(
    filled: Museum, desk: ServedDesk, browser: Browser
) -> None:
    with visiting(browser, width=400) as visit:
        for path in ("/jobs", f"/jobs/{filled.the_job}", "/models", "/models/test@1", "/actions"):  # type: ignore[attr-defined]
            visit.page.goto(desk.url + path)
            assert visit.overflow <= 0
            cut = visit.page.evaluate(_CUT)
            assert cut == [], path
