"""The page of what was done: for operators alone, by number where a name was forgotten."""

import pytest

from common.store.tables import Role
from desk.access.accounts import forget_account
from desk.access.actions import PAGE
from desk.app import routes
from desk.pages.actions import WORDS, about_in_words
from desk.web.asking import Asks
from tests.desk.caller import Caller
from tests.desk.museum import PASSWORD, Museum
from tests.desk.served import ServedDesk
from tests.desk.visiting import Visit

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def people(filled: Museum) -> Museum:
    for role in Role:
        filled.user(role.value, role)
    return filled


def test_operators_see_who_did_what_and_a_forgotten_name_is_a_number(
    people: Museum, desk: ServedDesk, visit: Visit
) -> None:
    people.user("Bernadette", "operator")
    did = Caller(desk, "Bernadette")
    did.post("/jobs/steer", {"action": "pause", "state": "<b>running</b>", "password": PASSWORD})
    visit.log_in(desk.url, "operator")
    visit.page.get_by_role("link", name="actions").click()
    row = visit.page.locator("tbody tr").first
    assert row.locator("td").nth(1).inner_text() == "Bernadette"
    assert row.locator("td").nth(2).inner_text() == "change jobs not done"
    about = row.locator("td").nth(3).inner_text()
    assert sorted(about.split(", ")) == ["action: pause", "state: <b>running</b>"]
    number = forget_account(people.engine, "Bernadette")
    visit.page.reload()
    assert "Bernadette" not in visit.page.content()
    assert visit.page.get_by_role("cell", name=f"account {number}", exact=True).count() == 1
    assert PASSWORD not in visit.page.content()
    assert visit.problems == []


def test_what_forms_call_their_fields_is_told_in_words() -> None:
    about = {"name": "maps", "look": "1", "skip": "1", "serving": "2"}
    assert about_in_words(about) == (
        "name: maps, preview only, leave out lines without a record ID, "
        "number of the model that was in service: 2"
    )


def test_what_was_refused_is_marked(people: Museum, desk: ServedDesk, visit: Visit) -> None:
    did = Caller(desk, "operator")
    assert did.post("/models/back", {"provider": "Nobody"}).status_code == 400
    visit.log_in(desk.url, "operator")
    visit.page.goto(desk.url + "/actions")
    row = visit.page.locator("tbody tr").first
    assert row.locator("td").nth(2).inner_text() == "go back to the previous model not done"
    assert visit.page.get_by_text("not done").count() == 2  # with the sentence above the table


@pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER])
def test_nobody_else_sees_it(people: Museum, desk: ServedDesk, visit: Visit, role: Role) -> None:
    visit.log_in(desk.url, role.value)
    assert visit.page.get_by_role("link", name="actions").count() == 0
    answer = visit.page.goto(desk.url + "/actions")
    assert answer is not None
    assert answer.status == 403
    assert "account added" not in visit.page.content()


def test_earlier_actions_are_on_further_pages(
    people: Museum, desk: ServedDesk, visit: Visit
) -> None:
    people.execute(
        "INSERT INTO desk_action (user_id, what, about)"
        " SELECT :user, '/jobs/steer', '{}' FROM generate_series(1, :count)",
        user=people.user("operator"),
        count=PAGE,
    )
    visit.log_in(desk.url, "operator")
    visit.page.goto(desk.url + "/actions")
    assert visit.page.locator("tbody tr").count() == PAGE
    visit.page.get_by_role("link", name="Earlier").click()
    visit.page.wait_for_url("**/actions?before=*")
    assert visit.page.get_by_text("account added").count() == len(Role)
    assert visit.page.get_by_role("link", name="Earlier").count() == 0


@pytest.mark.parametrize("before", ["x", "-1", "1" * 18, "²"])
def test_a_malformed_place_is_refused_in_words(desk: ServedDesk, before: str) -> None:
    answer = Caller(desk).get(f"/actions?before={before}")
    assert answer.status_code == 400
    assert "Begin with the first page" in answer.text


def test_every_action_that_is_logged_has_words() -> None:
    logged = {route.path for route in routes() if isinstance(route, Asks) and route.is_logged}
    assert logged == WORDS.keys()
