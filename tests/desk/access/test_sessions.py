"""What a browser's cookie stands for, and until when."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine, event, text

from common.errors import LoginRefusedError
from common.store.tables import Role
from desk.access.accounts import (
    change_role,
    end_account,
    forget_account,
    set_password,
)
from desk.access.sessions import MOST, LoggedIn, begin_session, end_session, who
from tests.desk.access.people import PASSWORD, add, enter


def age(engine: Engine, **seconds: int) -> None:
    """Make sessions older: `ends_at=60` by a minute."""
    with engine.begin() as connection:
        for column, count in seconds.items():
            statement = f"UPDATE desk_session SET {column} = {column} - make_interval(secs => :s)"
            connection.execute(text(statement), {"s": count})


def sessions(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM desk_session")) or 0)


def test_a_token_stands_for_its_account(engine: Engine) -> None:
    account = add(engine)
    first, second = enter(engine), enter(engine)
    found = who(engine, first.token)
    assert found is not None
    assert (found.number, found.name, found.role) == (account.number, "Anna", Role.REVIEWER)
    assert len(found.csrf) >= 43
    other = who(engine, second.token)
    assert other is not None
    assert other.csrf != found.csrf
    assert first.token not in repr(first)


@pytest.mark.parametrize("token", [None, "", "x", "\0", "\ud800", "x" * 10_000, "é"])
def test_any_other_token_stands_for_nobody(engine: Engine, token: str | None) -> None:
    add(engine)
    enter(engine)
    assert who(engine, token) is None
    end_session(engine, token)
    assert sessions(engine) == 1


def test_the_store_has_no_token(engine: Engine) -> None:
    add(engine)
    token = enter(engine).token
    with engine.connect() as connection:
        (row,) = connection.execute(text("SELECT desk_session::text FROM desk_session")).scalars()
    assert token not in row
    assert token.encode().hex() not in row


def test_a_session_ends_after_twelve_hours_whatever_happens(engine: Engine) -> None:
    add(engine)
    token = enter(engine).token
    age(engine, ends_at=12 * 3600 - 60)
    assert who(engine, token) is not None
    age(engine, ends_at=60)
    assert who(engine, token) is None


def test_a_session_ends_after_an_hour_without_a_request(engine: Engine) -> None:
    add(engine)
    token = enter(engine).token
    for _ in range(3):
        age(engine, seen_at=3500)
        assert who(engine, token) is not None
    age(engine, seen_at=3601)
    assert who(engine, token) is None


def test_who_asks_is_one_statement_and_writes_once_a_minute(engine: Engine) -> None:
    add(engine)
    token = enter(engine).token
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

    def version() -> str:
        with engine.connect() as connection:
            return str(connection.scalar(text("SELECT xmin::text FROM desk_session")))

    before = version()
    asked.clear()
    who(engine, token)
    assert len([statement for statement in asked if not statement.startswith("SET LOCAL")]) == 1
    assert version() == before
    age(engine, seen_at=61)
    before = version()
    who(engine, token)
    after = version()
    assert after != before
    who(engine, token)
    assert version() == after


ENDINGS: dict[str, Callable[[Engine], object]] = {
    "role": lambda engine: change_role(engine, "anna", Role.VIEWER),
    "password": lambda engine: set_password(engine, "anna", "another good one"),
    "end": lambda engine: end_account(engine, "anna"),
    "forget": lambda engine: forget_account(engine, "anna"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_change_of_the_account_ends_its_sessions_and_no_others(
    engine: Engine, ending: str
) -> None:
    add(engine)
    add(engine, "Boris")
    tokens = [enter(engine).token, enter(engine).token]
    other = enter(engine, "boris").token
    ENDINGS[ending](engine)
    assert [who(engine, token) for token in tokens] == [None, None]
    assert who(engine, other) is not None


def test_whoever_ends_an_account_ends_its_sessions(engine: Engine) -> None:
    add(engine)
    token = enter(engine).token
    with engine.begin() as connection:  # as another program might
        connection.execute(text("UPDATE desk_user SET ended_at = now()"))
    assert who(engine, token) is None


def test_logging_out_ends_one_session(engine: Engine) -> None:
    add(engine)
    first, second = enter(engine).token, enter(engine).token
    end_session(engine, first)
    assert who(engine, first) is None
    assert who(engine, second) is not None


def test_an_old_password_begins_no_session_after_it_was_changed(engine: Engine) -> None:
    account = add(engine)
    set_password(engine, "Anna", "another good one")
    with engine.begin() as connection, pytest.raises(LoginRefusedError, match="Log in again"):
        begin_session(connection, account.number, account.password)
    end_account(engine, "Anna")
    with engine.begin() as connection, pytest.raises(LoginRefusedError, match="Log in again"):
        begin_session(connection, account.number, None)


def test_logins_and_changes_at_once_leave_no_session_of_an_old_password(engine: Engine) -> None:
    account = add(engine)
    gate = Barrier(4)

    def begin(_: int) -> str | None:
        gate.wait()
        try:
            with engine.begin() as connection:
                return begin_session(connection, account.number, account.password)
        except LoginRefusedError:
            return None

    def change() -> None:
        gate.wait()
        set_password(engine, "Anna", "another good one")

    with ThreadPoolExecutor(4) as pool:
        changed = pool.submit(change)
        tokens = list(pool.map(begin, range(3)))
        changed.result()
    assert [who(engine, token) for token in tokens] == [None] * 3
    assert enter(engine, password="another good one")


def test_old_sessions_are_removed_and_an_account_has_at_most_twenty(engine: Engine) -> None:
    account = add(engine)
    add(engine, "Boris")
    enter(engine, "Boris")
    age(engine, seen_at=3601)
    tokens = []
    for _ in range(MOST + 3):
        with engine.begin() as connection:
            tokens.append(begin_session(connection, account.number, account.password))
    assert sessions(engine) == MOST
    assert who(engine, tokens[2]) is None
    assert who(engine, tokens[3]) is not None


def test_each_role_may_what_those_before_it_may() -> None:
    def may(role: Role) -> list[bool]:
        asks = LoggedIn(number=1, name="a", role=role, csrf="w")
        return [asks.may(needed) for needed in Role]

    assert may(Role.VIEWER) == [True, False, False]
    assert may(Role.REVIEWER) == [True, True, False]
    assert may(Role.OPERATOR) == [True, True, True]


def test_a_session_begins_with_the_password_alone(engine: Engine) -> None:
    add(engine)
    assert PASSWORD not in repr(enter(engine))
