"""The pages of publishing in a real browser: they fit, and all can use them."""

import pytest
from playwright.sync_api import Browser, expect

from common.publishing.plans import make_plan
from tests.desk.museum import Museum
from tests.desk.publishing.conftest import MAPS, OPERATOR, publish_all
from tests.desk.served import ServedDesk
from tests.desk.visiting import Visit, visiting

pytestmark = pytest.mark.timeout(600)

LONG = "Κεραμικόαγγείο" * 12
SCRIPT = '<script>window.taken = 1</script><img src=x onerror="window.taken = 1">'


@pytest.mark.parametrize("width", [1280, 400])
def test_pages_fit_are_usable_by_all_and_run_no_script_of_others(
    museum: Museum, desk: ServedDesk, browser: Browser, width: int
) -> None:
    museum.execute("UPDATE record SET title = :title", title=f"{SCRIPT} {LONG}")
    make_plan(museum.engine, user_id=museum.users[OPERATOR])
    publish_all(museum)
    museum.execute(
        "UPDATE publication SET state = 'refused', reason = :reason WHERE record_id = :record",
        reason=SCRIPT,
        record=MAPS[0],
    )
    name = museum.rows("SELECT name FROM publication WHERE state = 'posted' LIMIT 1")[0][0]
    with visiting(browser, width=width) as visit:
        visit.log_in(desk.url, OPERATOR)
        for path in (
            *("/publish", "/publish/1", "/publish/statements", "/publish/withdraw"),
            f"/statements/{name}",
        ):
            visit.page.goto(desk.url + path)
            assert visit.page.evaluate("window.taken") is None
            visit.check_usable()
        assert visit.problems == []


def test_the_page_of_a_plan_follows_the_sending(
    museum: Museum, desk: ServedDesk, visit: Visit
) -> None:
    make_plan(museum.engine)
    visit.log_in(desk.url, OPERATOR)
    visit.page.goto(f"{desk.url}/publish/1")
    visit.page.get_by_role("button", name="Send to Europeana").click()
    visit.page.get_by_role("button", name="Send 7 statements to Europeana").click()
    expect(visit.page.get_by_text("7 statements are still to be sent")).to_be_visible()
    publish_all(museum)
    expect(visit.page.get_by_text("This plan is sent.")).to_be_visible()
    expect(visit.page.get_by_role("row", name="published 7")).to_be_visible()
