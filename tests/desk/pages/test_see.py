"""The grid in a real browser: filters in the address, hostile metadata, wide and narrow."""

import pytest

from common.store.tables import VerdictKind
from tests.desk.conftest import OURS, RECORDS
from tests.desk.museum import MAP
from tests.desk.visiting import visiting

pytestmark = pytest.mark.timeout(600)

SCRIPT = '<script>window.taken = 1</script><img src=x onerror="window.taken = 1">'


def titles(visit):
    return visit.page.locator(".card .title").all_inner_texts()


def test_filters_are_chosen_in_a_form_and_live_in_the_address(filled, desk, visit):
    visit.page.goto(desk.url)
    assert len(titles(visit)) == 9
    visit.page.get_by_label("Data provider").fill(OURS)
    visit.page.locator("select[name=concept]").select_option(label="map")
    visit.page.get_by_role("button", name="Show").click()
    visit.page.wait_for_url("**/see?*provider=Our+museum*")
    assert titles(visit) == [f"Title of {RECORDS[0]}", f"Title of {RECORDS[3]}"]
    visit.page.reload()
    assert len(titles(visit)) == 2
    assert visit.page.locator("select[name=concept]").input_value() == MAP
    assert visit.problems == []


def test_failures_and_what_was_not_written_are_shown_of_a_job(filled, desk):
    failed = desk.get(f"/see?job={filled.the_job}&outcome=failed")
    assert "timeout" in failed
    assert f"Title of {RECORDS[11]}" in failed
    assert f"Title of {RECORDS[9]}" in desk.get(
        f"/see?job={filled.the_job}&outcome=below_threshold"
    )


def test_a_card_tells_title_rights_and_verdicts_and_leads_to_europeana(filled, desk, visit):
    filled.say("one", RECORDS[0], MAP, VerdictKind.RIGHT)
    filled.say("two", RECORDS[0], MAP, VerdictKind.WRONG)
    visit.log_in(desk.url, "two")
    visit.page.goto(f"{desk.url}/see?concept={MAP}")
    page = visit.page.content()
    assert "CC BY-SA 4.0" in page
    assert f"https://www.europeana.eu/item{RECORDS[0]}" in page
    assert "disputed" in page


def test_hostile_metadata_runs_nothing(filled, desk, visit):
    filled.execute("UPDATE record SET title = :script, data_provider = :script", script=SCRIPT)
    filled.execute("UPDATE record SET rights = :rights", rights='javascript:alert(1)"><b>')
    filled.execute("UPDATE concept SET label = :script WHERE uri = :uri", script=SCRIPT, uri=MAP)
    for path in ("/see", "/judge", "/jobs", f"/jobs/{filled.the_job}", f"/records{RECORDS[0]}"):
        visit.page.goto(desk.url + path)
        assert visit.page.evaluate("window.taken") is None
        assert visit.page.locator("main script, main img[src=x]").count() == 0
    assert visit.problems == []


@pytest.mark.parametrize("path", ["/see?lowest=x", "/see?job=1", "/see?outcome=blocked", "/none"])
def test_a_wrong_address_has_a_plain_answer(filled, desk, visit, path):
    answer = visit.page.goto(desk.url + path)
    assert answer.status in (400, 404)
    assert visit.page.locator("main p").first.inner_text()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_the_page_fits_and_is_usable_by_all(filled, desk, browser, width, dark):
    filled.execute("UPDATE record SET title = :title", title="Κεραμικόαγγείο" * 12)
    filled.execute(
        "UPDATE record SET data_provider = :name", name="Национален етнографски музей" * 3
    )
    with visiting(browser, width=width, dark=dark) as visit:
        visit.page.goto(desk.url + "/see")
        visit.check_usable()


def test_an_empty_store_says_what_to_do(museum, tmp_path):
    from tests.desk.served import served_desk

    with served_desk(tmp_path) as desk:
        assert "No model is in the store yet" in desk.get("/see")
        assert "There is no job yet" in desk.get("/jobs")
        assert "No model is in the store yet" in desk.get("/models")
        assert "There is no dataset yet" in desk.get("/data")


def test_a_model_that_is_not_there_is_told_by_its_name(filled, desk, visit):
    visit.page.goto(desk.url + "/see?model=foo")
    visit.page.get_by_text("There is no model foo.").wait_for()
    assert "No model is in the store yet" not in visit.page.content()


def test_filters_that_are_wrong_stay_and_say_so_beside_their_field(filled, desk, visit):
    for page in ("/see", "/judge"):
        visit.page.goto(f"{desk.url}{page}?provider=Nobody&outcome=failed&highest=much")
        confidence = visit.page.locator("fieldset.range")
        confidence.get_by_role("alert").get_by_text("not a number").wait_for()
        assert visit.page.get_by_label("Data provider").input_value() == "Nobody"
        assert visit.page.get_by_label("Outcome").input_value() == "failed"
        assert visit.page.get_by_label("to", exact=True).input_value() == "much"
        visit.page.get_by_label("Outcome").select_option("enriched")
        visit.page.get_by_role("button", name="Show").click()
        visit.page.wait_for_url(f"{desk.url}{page}?**outcome=enriched**")
    visit.page.goto(f"{desk.url}/see?provider=Our+musuem")
    label = visit.page.locator("label", has=visit.page.locator("[name=provider]"))
    label.get_by_role("alert").get_by_text("Did you mean: Our museum").wait_for()
    assert visit.problems == []
