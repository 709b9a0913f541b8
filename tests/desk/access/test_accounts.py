"""Accounts, their names, and the one of a desk that has none."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from common.process.settings.desk import AccessSettings
from common.store.tables import Role
from desk.access.accounts import (
    BUILT_IN,
    add_account,
    change_role,
    checked_name,
    end_account,
    find_account,
    find_subject,
    forget_account,
    list_accounts,
    local_operator,
    set_password,
)
from desk.access.actions import list_actions
from tests.desk.access.people import PASSWORD, add

LOCAL = AccessSettings()


def test_accounts_are_listed_without_their_passwords(engine: Engine) -> None:
    add(engine)
    add_account(engine, "Боряна", role=Role.VIEWER, password=None, subject="s-1")
    listed = list_accounts(engine)
    assert [row.name for row in listed] == ["Anna", "Боряна"]
    assert [row.password is not None for row in listed] == [True, False]
    assert "argon2" not in repr(listed)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Anna", "ANNA"),
        ("Ελένη", "ελένη"),
        ("Боряна", "БОРЯНА"),
        ("Strauß", "STRAUSS"),
        ("Anna B", "anna  b "),
        ("Anna", "Ａｎｎａ"),
        ("José", "Jose\u0301"),
    ],
)
def test_names_are_unique_without_regard_to_case_and_width(
    engine: Engine, name: str, other: str
) -> None:
    add(engine, name)
    with pytest.raises(UsageError, match=f"The account '{name}' exists already"):
        add(engine, other)


def test_two_processes_that_add_one_name_add_one_account(engine: Engine) -> None:
    def attempt(name: str) -> bool:
        try:
            add(engine, name)
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, ["Anna", "anna", "ANNA", "aNNA"])) == 1


@pytest.mark.parametrize(
    "bad",
    [
        "",
        " ",
        "a\nb",
        "a\tb",
        "a\0b",
        "a\x1b[31m",
        "a\u202eb",
        "a\u200bb",
        "\ud800",
        "a" * 81,
        "\ufdfa" * 20,
        "=1+1",
        "(local)",
        "⑴",
        "@anna",
        "a" * 1_000_000,
    ],
)
def test_odd_names_are_refused_in_words_and_found_nowhere(engine: Engine, bad: str) -> None:
    local_operator(engine, LOCAL, address="127.0.0.1", word="w")
    with pytest.raises(UsageError, match="1 to 80 visible characters") as refused:
        checked_name(bad)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 800
    with engine.connect() as connection:
        assert find_account(connection, bad) is None
    for change in (end_account, forget_account):
        with pytest.raises(UsageError, match="There is no account"):
            change(engine, bad)


def test_a_name_is_found_in_small_letters_and_the_exact_one_first(engine: Engine) -> None:
    add(engine, "Anna")
    with engine.begin() as connection:  # as another program might write
        connection.execute(text("INSERT INTO desk_user (name, role) VALUES ('anna', 'viewer')"))
        found = [find_account(connection, name) for name in ("Anna", "anna", " Anna ", "Ann")]
    assert [account and account.name for account in found] == ["Anna", "anna", "Anna", None]


def test_an_account_without_a_way_in_is_refused(engine: Engine) -> None:
    with pytest.raises(UsageError, match="'Anna' needs a password or a subject"):
        add_account(engine, "Anna", role=Role.VIEWER, password=None, subject=None)
    with pytest.raises(UsageError, match="A password has 12"):
        add_account(engine, "Anna", role=Role.VIEWER, password="short", subject=None)
    for subject in ("", "a\nb", "x" * 256):
        with pytest.raises(UsageError, match="A subject has 1 to 255"):
            add_account(engine, "Anna", role=Role.VIEWER, password=None, subject=subject)
    add_account(engine, "Anna", role=Role.VIEWER, password=None, subject="s-1")
    with pytest.raises(UsageError, match="Another account already has this subject"):
        add_account(engine, "Boris", role=Role.VIEWER, password=None, subject="s-1")


def test_what_is_forgotten_leaves_a_number(engine: Engine) -> None:
    account = add(engine, subject="s-1")
    assert forget_account(engine, "anna") == account.number
    (row,) = list_accounts(engine)
    assert (row.name, row.password, row.subject) == (None, None, None)
    assert row.ended_at is not None
    with engine.connect() as connection:
        assert find_subject(connection, "s-1") is None
        everything = [
            value
            for table in ("desk_user", "desk_action", "desk_session", "login_attempt")
            for value in connection.scalars(text(f"SELECT t::text FROM {table} AS t"))
        ]
    assert "anna" not in " ".join(everything).lower()
    assert add(engine).number != account.number


def test_an_ended_account_keeps_its_name_and_the_moment(engine: Engine) -> None:
    add(engine)
    end_account(engine, "Anna")
    (first,) = list_accounts(engine)
    end_account(engine, "Anna")
    assert list_accounts(engine) == [first]
    assert first.name == "Anna"


def test_what_is_done_to_accounts_is_logged_by_numbers(engine: Engine) -> None:
    number = add(engine).number
    change_role(engine, "Anna", Role.OPERATOR)
    set_password(engine, "Anna", f"{PASSWORD} 2")
    end_account(engine, "Anna")
    forget_account(engine, "Anna")
    logged = list_actions(engine)[::-1]
    assert [action.what for action in logged] == [
        "account added",
        "role changed",
        "password changed",
        "account ended",
        "account forgotten",
    ]
    assert {action.about["account"] for action in logged} == {number}
    assert {action.by for action in logged} == {BUILT_IN}
    assert logged[1].about["role"] == "operator"


def test_a_desk_without_accounts_has_one_operator_on_this_machine(engine: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(
                lambda _: local_operator(engine, LOCAL, address="127.0.0.1", word="w"), range(8)
            )
        )
    assert len(set(found)) == 1
    assert found[0] is not None
    assert (found[0].name, found[0].role, found[0].csrf) == (BUILT_IN, Role.OPERATOR, "w")
    assert list_accounts(engine) == []


def test_the_first_account_closes_the_open_desk_for_ever(engine: Engine) -> None:
    assert local_operator(engine, LOCAL, address="127.0.0.1", word="w") is not None
    add(engine)
    assert local_operator(engine, LOCAL, address="127.0.0.1", word="w") is None
    forget_account(engine, "Anna")
    assert local_operator(engine, LOCAL, address="127.0.0.1", word="w") is None


def test_a_desk_that_others_reach_is_never_open(engine: Engine) -> None:
    for settings in (
        AccessSettings(desk_url="https://desk.museum.example"),
        AccessSettings(oidc_issuer="https://login.museum.example", oidc_client_id="desk"),
    ):
        assert local_operator(engine, settings, address="127.0.0.1", word="w") is None
    for address in ("192.0.2.1", "172.17.0.1", "0.0.0.0", "", "testclient", "127.0.0.1, 192.0.2.1"):
        assert local_operator(engine, LOCAL, address=address, word="w") is None
    assert local_operator(
        engine, AccessSettings(desk_url="http://localhost:8000"), address="127.0.0.1", word="w"
    )
