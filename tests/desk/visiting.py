"""A real browser at the desk: what it shows, and that nothing leaves the machine."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.browser import NAMES
from tests.desk.museum import PASSWORD

PATIENCE = 120_000  # milliseconds, on a busy machine
MOST_TABS = 80
LOOPBACK = {"127.0.0.1", "localhost"}
_SEND = """
    async ([path, fields]) => {
        const form = new URLSearchParams(fields);
        form.append("csrf", document.body.dataset.csrf);
        const headers = { Accept: "application/json" };
        const answer = await fetch(path, { method: "POST", body: form, headers });
        return { status: answer.status, text: await answer.text() };
    }
"""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An answer of the desk, after redirections."""

    status: int
    text: str


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


class Visit:
    """A page with a profile of its own; `problems` are errors of scripts and forbidden requests."""

    def __init__(self, context: BrowserContext) -> None:
        self.problems: list[str] = []
        self.context = context
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        self.page.on("console", self._hear)
        self.page.on("request", self._see)

    def _hear(self, message) -> None:  # type: ignore[no-untyped-def]
        if message.type == "error" and "Content Security Policy" in message.text:
            self.problems.append(message.text)

    def _see(self, request) -> None:  # type: ignore[no-untyped-def]
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https") and parts.hostname not in LOOPBACK:
            self.problems.append(f"left the machine: {request.url}")

    def log_in(self, url: str, name: str) -> None:
        self.page.goto(url + "/login")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in", exact=True).click()
        self.page.get_by_role("button", name="Log out").wait_for()

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        width: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width

    def check_usable(self) -> None:
        """Nothing is cut off, and people with any aid can use the page, as far as axe can tell."""
        assert self.overflow <= 0
        found = Axe().run(self.page).response["violations"]
        assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []

    def tab_to(self, place: Locator) -> None:
        """Press Tab until a place has the focus."""
        for _ in range(MOST_TABS):
            if place.evaluate("place => place === document.activeElement"):
                return
            self.press("Tab")
        pytest.fail(f"The key Tab does not lead to {place}.")

    def send(self, path: str, **form: str | list[str]) -> Answered:
        """What a script of the shown page would get for a form."""
        fields = [(name, each) for name, value in form.items() for each in _several(value)]
        answer = self.page.evaluate(_SEND, [path, fields])
        return Answered(status=answer["status"], text=answer["text"])

    def wait_for_pictures(self) -> None:
        """Wait until the pictures that are to be judged are loaded: before that, none is judged."""
        self.page.evaluate(
            "Promise.allSettled([...document.querySelectorAll('.batch img')].map(e => e.decode()))"
        )

    def press(self, *keys: str) -> None:
        """Keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)


def browser_path() -> str:
    """The system's browser, or the test is skipped."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser to visit the desk with: none of {', '.join(NAMES)} is installed")
    return found


@contextmanager
def browsing() -> Iterator[Browser]:
    path = browser_path()
    options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(
    browser: Browser, *, width: int = 1280, dark: bool = False, locale: str = "en-GB"
) -> Iterator[Visit]:
    """A visit with an empty profile, of which nothing stays in the browser."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        locale=locale,
    )
    context.set_default_timeout(PATIENCE)
    try:
        yield Visit(context)
    finally:
        context.close()
