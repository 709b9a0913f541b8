"""Logging in, as a stranger tries it."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from common.errors import LoginRefusedError, TooManyLoginsError
from common.process.settings.desk import AccessSettings
from common.store.tables import Role
from desk.access import passwords
from desk.access.accounts import (
    add_account,
    change_role,
    checked_name,
    end_account,
    list_accounts,
    local_operator,
    set_password,
)
from desk.access.actions import list_actions
from desk.access.attempts import FOR_ADDRESS
from desk.access.identity import Identity, IdentityProvider
from desk.access.login import Entrance, come_back, local_path, log_in, log_in_as
from desk.access.sessions import who
from tests.desk.access.people import HERE, PASSWORD, add, enter
from tests.desk.access.providers import OwnProvider

ASKS_PROVIDER = {"oidc_issuer": "https://login.museum.example", "oidc_client_id": "desk"}
ADDED_ONLY = AccessSettings(**ASKS_PROVIDER)
ALL_VIEW = AccessSettings(**ASKS_PROVIDER, oidc_default_role=Role.VIEWER)
BY_CLAIM = AccessSettings(**ASKS_PROVIDER, oidc_role_claim="groups")


def somebody(subject: str = "s-1", name: str = "Anna", role: Role | None = None) -> Identity:
    return Identity(subject=subject, name=name, role=role)


def test_a_name_in_any_case_and_its_password_log_in(engine: Engine) -> None:
    account = add(engine)
    assert enter(engine, "Anna").number == account.number
    assert enter(engine, " anna ").number == account.number


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("Anna", "another password"),
        ("Anna", ""),
        ("Anna", PASSWORD + "\0"),
        ("nobody", PASSWORD),
        ("Ended", PASSWORD),
        ("Elsewhere", PASSWORD),
        ("Elsewhere", ""),
        ("(local)", PASSWORD),
        ("(local)", ""),
        ("", ""),
        ("\0", PASSWORD),
        ("\ud800", "\ud800" * 12),
        ("' OR true --", "' OR true --"),
        ("x" * 1_000_000, "y" * 1_000_000),
    ],
)
def test_all_others_hear_the_same_words(engine: Engine, name: str, password: str) -> None:
    local_operator(engine, AccessSettings(), address="127.0.0.1", word="w")
    add(engine)
    add(engine, "Ended")
    end_account(engine, "Ended")
    add_account(engine, "Elsewhere", role=Role.OPERATOR, password=None, subject="s-1")
    with capture_logs() as logged, pytest.raises(LoginRefusedError) as refused:
        enter(engine, name, password)
    assert str(refused.value) == "Name or password is wrong."
    assert refused.type is LoginRefusedError
    assert [(line["event"], line["network"]) for line in logged] == [("login refused", HERE)]
    assert PASSWORD not in str(logged)
    assert "nobody" not in str(logged)


def test_an_unknown_name_costs_as_many_hashes_as_a_known_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(engine)
    add(engine, "Ended")
    end_account(engine, "Ended")
    checked: list[str] = []

    class Counting(PasswordHasher):  # counts, then does what it should
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            checked.append(str(hash).rpartition("$")[0].rpartition("$")[0])
            return super().verify(hash, password)

    cheap = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
    monkeypatch.setattr(passwords, "_HASHER", Counting(**cheap))
    passwords._of_nobody()
    for name in ("Anna", "nobody", "Ended", "\0"):
        with pytest.raises(LoginRefusedError):
            enter(engine, name, "a wrong password")
    assert len(checked) == 4
    assert len(set(checked)) == 1  # the same parameters


def test_names_are_limited_however_they_are_written_and_unknown_ones_alike(engine: Engine) -> None:
    add(engine)
    heard = []
    for forms in (["Anna", "ANNA", " anna", "Ａnna", "anna "], ["x", "x", "X", "x", "x"]):
        for name in forms:
            with pytest.raises(LoginRefusedError, match="is wrong"):
                enter(engine, name, "a wrong password")
        with pytest.raises(TooManyLoginsError) as refused:
            enter(engine, forms[0], PASSWORD)
        heard.append(str(refused.value))
    assert heard[0] == heard[1]


def test_a_browser_that_was_here_before_has_its_own_limit(engine: Engine) -> None:
    add(engine)
    add(engine, "Boris")
    browser, other = enter(engine).browser, enter(engine, "Boris").browser
    for _ in range(5):
        with pytest.raises(LoginRefusedError, match="is wrong"):
            enter(engine, password="a wrong password", browser="1.forged.0")
    for strange in (None, "", "1.forged.0", "é", other, f"{browser}0"):
        with pytest.raises(TooManyLoginsError):
            enter(engine, browser=strange)
    assert enter(engine, browser=browser)
    set_password(engine, "Anna", f"{PASSWORD} 2")
    for _ in range(5):
        with pytest.raises(LoginRefusedError):
            enter(engine, password="a wrong password", browser=browser)
    with pytest.raises(TooManyLoginsError):
        enter(engine, password=f"{PASSWORD} 2", browser=browser)


def test_twenty_guesses_at_once_are_not_twenty_guesses(engine: Engine) -> None:
    add(engine)

    def guess(count: int) -> type[Exception] | None:
        try:
            enter(engine, password=f"guess number {count}")
        except LoginRefusedError as error:
            return type(error)
        return None

    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(guess, range(20)))
    assert heard.count(LoginRefusedError) == 5
    assert heard.count(TooManyLoginsError) == 15


def test_right_logins_at_once_all_go_well(engine: Engine) -> None:
    add(engine)
    with ThreadPoolExecutor(4) as pool:
        tokens = {entrance.token for entrance in pool.map(lambda _: enter(engine), range(4))}
    assert len(tokens) == 4
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM login_attempt")) == 0


def test_a_hash_of_older_parameters_is_made_anew_at_login(engine: Engine) -> None:
    add(engine)
    older = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(PASSWORD)
    with engine.begin() as connection:
        connection.execute(text("UPDATE desk_user SET password = :kept"), {"kept": older})
    first = enter(engine)
    (account,) = list_accounts(engine)
    assert account.password is not None
    assert not passwords.is_outdated(account.password)
    assert who(engine, first.token) is not None
    assert enter(engine, browser=first.browser)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/jobs",
        "/jobs?state=running&page=2",
        "/models/a%2Fb",
        "/-",
        "/.x",
        "/a//b",
        "/" + "a" * 2999,
    ],
)
def test_a_login_goes_on_to_a_page_of_the_desk(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "jobs",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "/a\\b",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        "/ /evil.example",
        "/a\r\nSet-Cookie: x=y",
        "/a\n",
        "/é",
        "/" + "a" * 3000,
    ],
)
def test_and_never_elsewhere(path: str | None) -> None:
    assert local_path(path) == "/"


def test_who_was_added_comes_in_with_the_provider_and_nobody_else(engine: Engine) -> None:
    account = add_account(engine, "Anna", role=Role.REVIEWER, password=None, subject="s-1")
    entrance = log_in_as(engine, somebody(name="Another name"), ADDED_ONLY)
    asks = who(engine, entrance.token)
    assert asks is not None
    assert (asks.number, asks.name, asks.role) == (account.number, "Anna", Role.REVIEWER)
    with pytest.raises(LoginRefusedError, match="your subject: s-2"):
        log_in_as(engine, somebody("s-2"), ADDED_ONLY)
    end_account(engine, "Anna")
    with pytest.raises(LoginRefusedError, match="has ended"):
        log_in_as(engine, somebody(), ADDED_ONLY)
    assert len(list_accounts(engine)) == 1


def test_newcomers_get_the_default_role_and_a_name_of_their_own(engine: Engine) -> None:
    taken = add(engine, role=Role.OPERATOR)
    long = "Ελένη " * 40
    names = ["anna", "Anna", "\x1b[31m", "", "=1+1", long, long]
    for count, name in enumerate(names):
        log_in_as(engine, somebody(f"s-{count}", name), ALL_VIEW)
    rows = list_accounts(engine)[1:]
    assert [row.name for row in rows[:5]] == [
        "anna (2)",
        "Anna (3)",
        "somebody",
        "somebody (2)",
        "somebody (3)",
    ]
    assert {row.role for row in rows} == {Role.VIEWER}
    assert [checked_name(row.name or "") for row in rows] == [row.name for row in rows]
    again = log_in_as(engine, somebody("s-1", "a new name"), ALL_VIEW)
    assert again.number == rows[1].number != taken.number
    assert list_actions(engine)[0].what == "account added at login"
    assert list_actions(engine)[0].about == {"account": rows[-1].number, "role": "viewer"}


def test_newcomers_at_once_are_one_account_each(engine: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        users = [
            entrance.number
            for entrance in pool.map(lambda _: log_in_as(engine, somebody(), ALL_VIEW), range(6))
        ]
    assert len(set(users)) == 1


def test_a_claim_decides_about_the_role_at_each_login(engine: Engine) -> None:
    first = log_in_as(engine, somebody(role=Role.OPERATOR), BY_CLAIM)
    same = log_in_as(engine, somebody(role=Role.OPERATOR), BY_CLAIM)
    assert who(engine, first.token) is not None
    lower = log_in_as(engine, somebody(role=Role.VIEWER), BY_CLAIM)
    assert who(engine, first.token) is None
    assert who(engine, same.token) is None
    asks = who(engine, lower.token)
    assert asks is not None
    assert asks.role == Role.VIEWER
    assert list_actions(engine)[0].what == "role changed at login"
    for subject in ("s-1", "s-2"):
        with pytest.raises(LoginRefusedError, match="gives you no role"):
            log_in_as(engine, somebody(subject, role=None), BY_CLAIM)
    assert who(engine, lower.token) is None
    assert len(list_accounts(engine)) == 1


def test_without_a_claim_the_role_is_what_the_desk_says(engine: Engine) -> None:
    log_in_as(engine, somebody(), ALL_VIEW)
    change_role(engine, "Anna", Role.OPERATOR)
    asks = who(engine, log_in_as(engine, somebody(), ALL_VIEW).token)
    assert asks is not None
    assert asks.role == Role.OPERATOR


def test_tokens_are_long_and_for_the_browser_alone(engine: Engine) -> None:
    add(engine)
    entrance = log_in(engine, name="Anna", password=PASSWORD, address="", browser=None)
    assert re.fullmatch(r"[\w-]{43}", entrance.token)
    assert entrance.browser is not None
    assert re.fullmatch(r"\d+\.[\w-]{22}\.[0-9a-f]{64}", entrance.browser)


def test_who_comes_back_from_the_provider_is_limited_by_address(
    engine: Engine, provider: OwnProvider
) -> None:
    settings = AccessSettings(
        oidc_issuer=provider.issuer, oidc_client_id="desk", oidc_default_role=Role.VIEWER
    )
    desk = IdentityProvider(settings)
    origin = "http://localhost:8000"

    def back(cookie: str, answer: dict[str, str], address: str = HERE) -> Entrance:
        return come_back(
            engine, desk, settings, origin=origin, cookie=cookie, answer=answer, address=address
        )

    for _ in range(FOR_ADDRESS + 2):  # right ones, and links of another site, count nothing
        departure = desk.begin(origin=origin)
        answer = provider.login(departure.address)
        assert back(departure.cookie, answer).number
        with pytest.raises(LoginRefusedError, match="began in another browser"):
            back(departure.cookie, {"state": "forged", "code": "x"})
    provider.token_answer = (400, b'{"error": "invalid_grant"}')
    asked = len(provider.token_requests)
    for _ in range(FOR_ADDRESS):
        with pytest.raises(LoginRefusedError, match="invalid_grant"):
            back(departure.cookie, answer)
    with pytest.raises(TooManyLoginsError):
        back(departure.cookie, answer)
    assert len(provider.token_requests) == asked + FOR_ADDRESS
    provider.token_answer = None
    assert back(departure.cookie, answer, "192.0.2.2").number
