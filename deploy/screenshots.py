"""`python -m deploy.screenshots`: take the pictures of the tutorials from a running `make desk`.

It walks the way of the tutorial for curators: judge, teach, prove, publish. The name of a drawn
record says what it shows, so the walk gives the verdicts that a curator would give. Needs a fresh
demo, Chromium and the extra `dev`.
"""

import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, ViewportSize, sync_playwright

from common.errors import EnrichmentError, UsageError
from deploy.sandbox.collection import CATEGORIES

FOLDER = Path("docs/pictures")
SIZE = ViewportSize(width=1100, height=760)
MUSEUM, TO_PROVE = "Stadtmuseum Nordtor", "House of Crafts"
LEAST_PROVED = 80  # per cent
BATCHES = 5  # of ten pictures
SLOW = 120_000  # milliseconds, for a retraining on two cores
COLOURS = 96  # of a picture: the files stay small, and letters sharp


def main() -> int:
    """Take all pictures; returns the exit code."""
    browser = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    address = f"http://127.0.0.1:{os.environ.get('DESK_PORT', '8000')}"
    try:
        if browser is None:
            raise UsageError("There is no Chromium. Install it: apt-get install chromium")
        with sync_playwright() as playwright:
            page = playwright.chromium.launch(executable_path=browser).new_page(viewport=SIZE)
            _walk(page, address)
    except EnrichmentError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


def _walk(page: Page, address: str) -> None:
    page.goto(f"{address}/see?provider={MUSEUM}")
    _take(page, "see")
    _teach(page, address)
    _prove(page, address)
    _publish(page, address)


def _teach(page: Page, address: str) -> None:
    for batch in range(BATCHES):
        page.goto(f"{address}/teach/judge?provider={MUSEUM}")
        _judge_all(page, shot="judge" if batch == 0 else None)
    page.goto(f"{address}/teach?provider={MUSEUM}")
    page.get_by_role("button", name="Retrain").click()
    page.locator(".verdict-line, .warning").first.wait_for(timeout=SLOW)
    _take(page, "teach")


def _judge_all(page: Page, shot: str | None = None) -> None:
    """Judge the pictures of a page, and take a picture in the middle."""
    page.wait_for_load_state("networkidle")
    cards = page.locator(".batch > .card").all()
    for place, card in enumerate(cards):
        if shot and place == len(cards) // 2:
            _take(page, shot)
        _judge(page, card)
    page.locator(".unsaved[data-count='0']").first.wait_for(state="attached")


def _judge(page: Page, card: Locator) -> None:
    """Say that the concept of a card is right, or name the right one."""
    shown = _shown(card.get_attribute("data-record") or "")
    right_one = card.locator(f".probable button[data-label='{shown}']")
    card.focus()
    if card.get_attribute("data-label") == shown:
        page.keyboard.press("r")
    elif right_one.count():
        right_one.click()
    else:
        page.keyboard.press("w")


def _shown(record_id: str) -> str:
    """What a drawn record shows."""
    name, number = record_id.rsplit("/", 1)[1].rsplit("_", 1)
    return list(CATEGORIES)[int(number) % len(CATEGORIES)] if name == "object" else name


def _prove(page: Page, address: str) -> None:
    page.goto(f"{address}/prove?provider={TO_PROVE}")
    _take(page, "prove")
    page.locator("input[type=radio]").last.check()
    page.get_by_role("button", name="Draw").click()
    page.get_by_role("button", name="Draw").click()
    page.wait_for_url("**/audits/*")
    audit = page.url
    while not page.get_by_role("heading", name="You have judged all").count():
        _judge_all(page)
        page.goto(audit)
    page.get_by_role("link", name="Close the audit").click()
    page.get_by_role("button", name="Close it").click()
    page.wait_for_url("**/certificate")
    _take(page, "certificate")


def _publish(page: Page, address: str) -> None:
    page.goto(f"{address}/decide")
    consent = page.get_by_role("region", name="Refusal or consent")
    consent.get_by_label("Data provider").fill(TO_PROVE)
    consent.get_by_label("Reason").fill("The collections manager agreed by letter.")
    consent.get_by_role("button", name="It consents").click()
    page.goto(f"{address}/publish")
    page.get_by_label("Data provider").fill(TO_PROVE)
    page.get_by_label("Minimum precision of certificates").fill(str(LEAST_PROVED))
    page.get_by_role("button", name="Make a plan").click()
    page.get_by_text("Europeana was asked on").wait_for(timeout=SLOW)
    _take(page, "plan")
    page.get_by_role("button", name="Send to Europeana").click()
    page.get_by_role("button", name="to Europeana").click()
    page.get_by_text("This plan is sent.").wait_for(timeout=SLOW)
    page.goto(f"{address}/publish/statements?state=posted")
    page.get_by_role("link", name="where it comes from").first.click()
    _take(page, "statement")


def _take(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{name}.png"
    page.screenshot(path=file)
    Image.open(file).convert("RGB").quantize(COLOURS).save(file, optimize=True)
    sys.stderr.write(f"{file}\n")


if __name__ == "__main__":
    sys.exit(main())
