"""What a concept means, beside the pictures to be judged, and narrower concepts by one key."""

import pytest
from playwright.sync_api import Browser, expect

from common.store.tables import VerdictKind
from common.vocabulary.concepts import VocabularyConcept
from desk.audits.draw import draw
from desk.audits.subject import AuditSubject
from tests.desk.museum import BUILT_IN, MAP, Museum, narrower_than
from tests.desk.pages.maps import RECORDS, STANDING, hang_maps, saved
from tests.desk.served import ServedDesk
from tests.desk.visiting import Visit, visiting

pytestmark = pytest.mark.timeout(600)

SENTENCE = "A drawing of a part of the earth, or of the sky, seen from above."
DEFINITION = " ".join([SENTENCE] * 8)  # longer than its place
ATLAS, CHART, GLOBE = (f"http://example.org/{name}" for name in ("atlas", "chart", "globe"))


@pytest.fixture
def filled(museum: Museum) -> Museum:
    """Maps to be judged, by a model whose vocabulary has narrower ones."""
    hang_maps(museum)
    of_map = VocabularyConcept(
        uri=MAP, category="map", labels={"en": "map"}, definitions={"en": DEFINITION}
    )
    named = {ATLAS: "atlas", CHART: "chart", GLOBE: "globe"}
    museum.vocabulary(of_map, *(narrower_than(MAP, *each) for each in named.items()))
    for record_id in RECORDS[-6:]:
        museum.say(BUILT_IN, record_id, MAP, VerdictKind.RIGHT)
    return museum


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_definition_and_five_confirmed_pictures_leave_the_first_picture_in_the_window(
    filled: Museum, desk: ServedDesk, browser: Browser, width: int, is_dark: bool
) -> None:
    with visiting(browser, width=width, dark=is_dark) as visit:
        visit.page.goto(desk.url + "/judge")
        meaning = visit.page.locator(".meanings details")
        expect(meaning).to_have_count(1)
        if width == 400:
            expect(meaning.locator("img:visible")).to_have_count(0)
            meaning.locator("summary").click()
        expect(meaning.get_by_text(DEFINITION)).to_be_visible()
        expect(meaning.locator("img:visible")).to_have_count(5)
        visit.wait_for_pictures()
        expect(visit.page.locator(".batch > .card").first).to_be_focused()
        assert visit.page.evaluate("scrollY") == 0
        frame = visit.page.locator(".batch .frame").first.bounding_box()
        assert frame is not None
        assert frame["y"] + frame["height"] <= 900
        visit.check_usable()
        assert visit.problems == []


def test_without_definition_and_pictures_nothing_is_shown(filled: Museum, desk: ServedDesk) -> None:
    filled.execute("UPDATE verdict SET withdrawn_at = now()")
    filled.execute("UPDATE vocabulary_concept SET definitions = '{}'")
    page = desk.get("/judge")
    assert 'class="meanings"' not in page
    assert 'class="batch grid"' in page


def test_an_audit_is_judged_without_hints(filled: Museum, desk: ServedDesk, visit: Visit) -> None:
    ann = filled.user("Ann")
    (model,) = filled.rows("SELECT id FROM model")[0]
    subject = AuditSubject(model_id=model, data_provider=None, concept_uri=MAP)  # type: ignore[arg-type]
    audit = draw(filled.engine, subject, sample=12, user_id=ann)
    visit.log_in(desk.url, "Ann")
    visit.page.goto(f"{desk.url}/audits/{audit}")
    expect(visit.page.locator(".batch > .card")).to_have_count(10)
    expect(visit.page.locator(".meanings")).to_have_count(0)
    expect(visit.page.get_by_text(DEFINITION)).to_have_count(0)
    expect(visit.page.locator("main img")).to_have_count(10)
    expect(visit.page.locator(".narrower, [data-digit]")).to_have_count(0)
    visit.press("2")
    assert filled.rows(STANDING) == [(each, "right", "") for each in RECORDS[-6:]]


def test_a_digit_names_a_narrower_concept_and_goes_on(
    filled: Museum, desk: ServedDesk, visit: Visit
) -> None:
    visit.page.goto(desk.url + "/judge")
    visit.wait_for_pictures()
    visit.press("2", "g", "9")
    expect(visit.page.locator(".batch > .card").nth(2)).to_be_focused()
    visit.page.locator(".batch > .card").nth(2).get_by_role("button", name="globe").click()
    visit.press("1", "u")
    saved(visit)
    said = [(RECORDS[0], "too_general", CHART), (RECORDS[1], "too_general", "")]
    assert filled.rows(STANDING)[:3] == [*said, (RECORDS[2], "too_general", GLOBE)]
    assert len(filled.rows(STANDING)) == 9
    assert visit.page.locator(".batch .mine").first.inner_text() == "too general: chart"
    expect(visit.page.locator(".legend")).to_contain_text("narrower")
    assert visit.problems == []


def test_a_narrower_concept_is_named_without_a_script(
    filled: Museum, desk: ServedDesk, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(desk.url + "/judge")
    page.get_by_role("button", name="chart").first.click()
    assert page.locator(".batch .mine").first.inner_text() == "too general: chart"
    assert filled.rows(STANDING)[0] == (RECORDS[0], "too_general", CHART)
    context.close()
