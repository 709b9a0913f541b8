"""A picture of an audit that cannot be loaded: it is passed over, and is not judged at the end."""

import pytest
from playwright.sync_api import expect

from desk.audits.draw import draw
from desk.audits.judging import drawn_rows
from desk.audits.subject import AuditSubject
from tests.desk.museum import MAP, Museum
from tests.desk.pages.maps import hang_maps, saved
from tests.desk.picture_host import PictureHost
from tests.desk.served import ServedDesk
from tests.desk.visiting import Visit

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def filled(museum: Museum) -> Museum:
    return hang_maps(museum)


def test_what_cannot_be_loaded_comes_last_and_counts_as_wrong(
    filled: Museum, pictures: PictureHost, desk: ServedDesk, visit: Visit
) -> None:
    ann = filled.user("Ann")
    (model,) = filled.rows("SELECT id FROM model")[0]
    subject = AuditSubject(model_id=model, data_provider=None, concept_uri=MAP)  # type: ignore[arg-type]
    audit = draw(filled.engine, subject, sample=15, user_id=ann)
    missing = drawn_rows(filled.engine, audit, user_id=ann)[0].record_id
    pictures.miss(missing)
    visit.log_in(desk.url, "Ann")
    visit.page.goto(f"{desk.url}/audits/{audit}")
    expect(visit.page.get_by_text("counts as wrong", exact=False).first).to_be_visible()
    cards = visit.page.locator(".batch > .card")
    expect(cards.first.locator(".missing")).to_be_visible()
    visit.press("r", "ArrowRight", *["r"] * 9, "Enter")
    expect(cards).to_have_count(6)  # the five that are left, and the one that was passed over
    assert cards.last.get_attribute("data-record") == missing
    visit.wait_for_pictures()
    visit.press(*["r"] * 6)
    saved(visit)
    visit.press("Enter")
    visit.page.wait_for_load_state()
    expect(cards).to_have_count(1)
    visit.page.get_by_role("link", name="Close or abandon").click()
    visit.page.get_by_role("button", name="Close it and count 1 as wrong").click()
    expect(visit.page.get_by_text("14 of 15 drawn at random were right").first).to_be_visible()
    assert visit.problems == []
