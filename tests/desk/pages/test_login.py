"""Logging in and out in a real browser, by a password and with an identity provider."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from common.store.tables import Role
from desk.access.accounts import add_account, end_account
from desk.access.attempts import FOR_NAME_FROM_ADDRESS
from tests.desk.access.providers import real_provider
from tests.desk.caller import Caller
from tests.desk.museum import PASSWORD, Museum
from tests.desk.served import ServedDesk, served_desk
from tests.desk.visiting import Visit, visiting

pytestmark = pytest.mark.timeout(600)

NAME = "Anna"
SESSION = "desk"  # the cookie
SECRET = "a secret of the desk"


@pytest.fixture
def desk(museum: Museum, tmp_path: Path) -> Iterator[ServedDesk]:
    museum.user(NAME)
    with served_desk(tmp_path) as desk:
        yield desk


@pytest.fixture
def desk_with_provider(museum: Museum, tmp_path: Path) -> Iterator[ServedDesk]:
    """A desk that asks oidc-provider-mock; it knows Anna as the subject anna-1."""
    add_account(museum.engine, NAME, role=Role.REVIEWER, password=None, subject="anna-1")
    with (
        real_provider() as issuer,
        served_desk(
            tmp_path, OIDC_ISSUER=issuer, OIDC_CLIENT_ID="desk", OIDC_CLIENT_SECRET=SECRET
        ) as desk,
    ):
        yield desk


def cookies(visit: Visit) -> dict[str, dict[str, object]]:
    return {each["name"]: dict(each) for each in visit.context.cookies()}


def type_password(visit: Visit, password: str, name: str = NAME) -> None:
    visit.page.get_by_label("Name").fill(name)
    visit.page.get_by_label("Password").fill(password)
    visit.page.get_by_role("button", name="Log in", exact=True).click()
    visit.page.wait_for_load_state()


def test_one_logs_in_comes_back_to_the_page_and_logs_out(
    museum: Museum, desk: ServedDesk, visit: Visit
) -> None:
    asked = f"/see?provider={quote('Μουσείο')}&judged=no"
    visit.page.goto(desk.url + asked)
    assert "/login?after=" in visit.page.url
    type_password(visit, "another password")
    assert visit.page.get_by_role("alert").inner_text() == "Name or password is wrong."
    assert visit.page.get_by_label("Name").input_value() == NAME
    visit.page.keyboard.type(PASSWORD)  # the name is still there
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url(desk.url + asked)
    assert f"{NAME} reviewer" in visit.page.get_by_role("banner").inner_text()
    visit.page.get_by_role("button", name="Log out").click()
    visit.page.wait_for_url("**/login")
    assert SESSION not in cookies(visit)
    visit.page.goto(desk.url + "/see")
    assert "/login" in visit.page.url
    assert museum.rows("SELECT 1 FROM desk_session") == []
    assert visit.problems == []


def test_a_session_of_before_ends_with_the_login(
    museum: Museum, desk: ServedDesk, visit: Visit
) -> None:
    """Whoever planted or kept a session of this browser has nothing of the new one."""
    museum.user("Mallory")
    mallory = Caller(desk, "Mallory")
    planted = mallory.session.cookies[SESSION]
    visit.context.add_cookies([{"name": SESSION, "value": planted, "url": desk.url}])
    visit.page.goto(desk.url + "/see")
    assert "Mallory" in visit.page.get_by_role("banner").inner_text()
    anna = Caller(desk)
    anna.session.cookies.set(SESSION, planted, domain=desk.url.split("/")[2].split(":")[0])
    anna.get("/nothing")
    entered = anna.post("/login", {"name": NAME, "password": PASSWORD})
    assert entered.status_code == 403  # the word of a page that is too old
    anna.session.cookies.clear()
    anna.get("/login")
    anna.session.cookies.set(SESSION, planted, domain=desk.url.split("/")[2].split(":")[0])
    entered = anna.post("/login", {"name": NAME, "password": PASSWORD})
    assert entered.status_code == 303
    assert re.findall(rf"\b{SESSION}=([^;]+)", entered.headers["set-cookie"])[0] != planted
    visit.page.reload()
    assert "/login" in visit.page.url
    assert museum.rows("SELECT user_id FROM desk_session") == [(museum.user(NAME),)]


def test_each_login_has_a_session_of_its_own_and_a_new_word(desk: ServedDesk) -> None:
    first, second = Caller(desk, NAME), Caller(desk, NAME)
    assert first.session.cookies[SESSION] != second.session.cookies[SESSION]
    assert first.word != second.word
    assert first.post("/logout", word=second.word).status_code == 403
    assert first.get("/see").status_code == 200
    assert first.post("/logout").status_code == 303
    assert first.get("/see").status_code == 303
    assert second.get("/see").status_code == 200


def test_no_script_reads_the_cookies_and_no_other_site_sends_them(
    desk: ServedDesk, visit: Visit
) -> None:
    visit.log_in(desk.url, NAME)
    found = cookies(visit)
    assert found.keys() == {SESSION, "desk-browser", "desk-form"}
    for cookie in found.values():
        assert cookie["httpOnly"] is True
        assert cookie["sameSite"] == "Lax"
        assert cookie["path"] == "/"
    assert found[SESSION]["expires"] == -1  # with the browser
    assert visit.page.evaluate("document.cookie") == ""


@pytest.mark.parametrize(
    "after", ["https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)"]
)
def test_a_login_leads_to_no_other_site(desk: ServedDesk, after: str) -> None:
    caller = Caller(desk)
    assert "evil.example" not in caller.get(f"/login?after={quote(after)}").text
    entered = caller.log_in(NAME, after=after)
    assert entered.headers["location"] == "/"
    assert caller.get(f"/login?after={quote(after)}").headers["location"] == "/"


def test_too_many_wrong_passwords_are_refused_in_words(
    museum: Museum, desk: ServedDesk, visit: Visit
) -> None:
    visit.page.goto(desk.url + "/login")
    for _ in range(FOR_NAME_FROM_ADDRESS):
        type_password(visit, "another password")
        assert visit.page.get_by_role("alert").inner_text() == "Name or password is wrong."
    for password in ("another password", PASSWORD):
        type_password(visit, password)
        words = visit.page.get_by_role("alert").inner_text()
        assert re.fullmatch(r"Too many logins failed\. Wait 1\d minutes\. Then try again\.", words)
    told = Caller(desk).log_in(NAME)
    assert told.status_code == 429
    assert museum.rows("SELECT 1 FROM desk_session") == []
    assert PASSWORD not in desk.log()


def test_a_login_needs_the_word_of_its_form(museum: Museum, desk: ServedDesk) -> None:
    fields = {"name": NAME, "password": PASSWORD}
    caller = Caller(desk)
    caller.get("/login")
    stranger = Caller(desk)
    stranger.get("/login")
    for word in ("", "x", stranger.word):
        assert caller.post("/login", fields, word=word).status_code == 403
    elsewhere = caller.post("/login", fields, headers={"origin": "https://evil.example"})
    assert elsewhere.status_code == 403
    assert museum.rows("SELECT 1 FROM desk_session") == []
    assert caller.log_in(NAME).status_code == 303


def test_an_account_that_ends_is_logged_out_at_once(
    museum: Museum, desk: ServedDesk, visit: Visit
) -> None:
    visit.log_in(desk.url, NAME)
    end_account(museum.engine, NAME)
    visit.page.goto(desk.url + "/judge")
    assert "/login?after=%2Fjudge" in visit.page.url
    type_password(visit, PASSWORD)
    assert visit.page.get_by_role("alert").inner_text() == "Name or password is wrong."


def enter_at_provider(visit: Visit, desk: ServedDesk, subject: str) -> None:
    visit.page.route(
        "https://**", lambda route: route.abort()
    )  # the provider's page has styles elsewhere
    visit.page.goto(desk.url + "/login")
    visit.page.get_by_role("link", name="Log in with your institution").click()
    visit.page.locator("input[name=sub]").fill(subject)
    visit.page.get_by_role("button", name=re.compile("authorize", re.IGNORECASE)).first.click()
    visit.page.wait_for_url(f"{desk.url}/**")
    visit.page.wait_for_load_state()


def test_an_identity_provider_says_who_one_is(
    museum: Museum, desk_with_provider: ServedDesk, visit: Visit
) -> None:
    enter_at_provider(visit, desk_with_provider, "anna-1")
    visit.page.get_by_role("button", name="Log out").wait_for()
    assert f"{NAME} reviewer" in visit.page.get_by_role("banner").inner_text()
    assert cookies(visit).keys() >= {SESSION}
    assert "desk-departure" not in cookies(visit)
    assert SECRET not in visit.page.content() + desk_with_provider.log()
    visit.page.get_by_role("button", name="Log out").click()
    visit.page.wait_for_url("**/login")
    assert museum.rows("SELECT 1 FROM desk_session") == []


def test_who_was_not_added_is_told_what_to_say(
    museum: Museum, desk_with_provider: ServedDesk, visit: Visit
) -> None:
    enter_at_provider(visit, desk_with_provider, "mallory-1")
    words = visit.page.get_by_role("alert").inner_text()
    assert "knows you, but the desk does not" in words
    assert "mallory-1" in words
    assert SESSION not in cookies(visit)
    assert museum.rows("SELECT 1 FROM desk_session") == []


def test_the_way_back_belongs_to_the_browser_that_departed(
    museum: Museum, desk_with_provider: ServedDesk, visit: Visit
) -> None:
    """A link with somebody else's code logs nobody in (login CSRF)."""
    backs: list[str] = []
    visit.page.on("request", lambda sent: backs.append(sent.url) if "/back?" in sent.url else None)
    enter_at_provider(visit, desk_with_provider, "anna-1")
    other = Caller(desk_with_provider)
    answer = other.get(backs[0].removeprefix(desk_with_provider.url))
    assert answer.status_code == 403
    assert "began in another browser" in answer.text
    assert SESSION not in other.session.cookies
    assert len(museum.rows("SELECT 1 FROM desk_session")) == 1


def test_a_desk_without_a_provider_says_so(desk: ServedDesk, visit: Visit) -> None:
    answer = visit.page.goto(desk.url + "/login/identity")
    assert answer is not None
    assert answer.status == 404
    assert "has no identity provider" in visit.page.get_by_role("alert").inner_text()
    assert visit.page.get_by_role("link", name="Log in with your institution").count() == 0


@pytest.mark.parametrize("width", [1280, 400])
def test_the_login_fits_and_is_usable_by_all(
    desk: ServedDesk, browser: Browser, width: int
) -> None:
    with visiting(browser, width=width) as visit:
        visit.page.goto(desk.url + "/login")
        type_password(visit, "another password")
        visit.check_usable()
        assert visit.problems == []
