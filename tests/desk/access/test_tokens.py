"""Tokens: what is kept of them, and who has them."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from common.errors import LoginRefusedError, UsageError
from common.process.settings.desk import AccessSettings
from common.store.tables import Role
from desk.access.accounts import find_account, list_accounts, local_operator
from desk.access.actions import list_actions
from desk.access.tokens import add_token, caller_of, list_tokens, revoke_token
from tests.desk.access.people import add


def added(engine: Engine, name: str = "a program", role: Role = Role.VIEWER) -> str:
    return add_token(engine, name, role=role, expires_at=None, per_minute=10)


def test_a_token_is_an_account_that_only_programs_have(engine: Engine) -> None:
    token = added(engine, role=Role.REVIEWER)
    caller = caller_of(engine, token)
    assert (caller.name, caller.role) == ("a program", Role.REVIEWER)
    assert list_accounts(engine) == []
    with engine.connect() as connection:
        assert find_account(connection, "a program") is None  # so it cannot log in


def test_a_desk_without_people_stays_open_on_its_machine(engine: Engine) -> None:
    added(engine)
    assert local_operator(engine, AccessSettings(), address="127.0.0.1", word="word")


def test_the_store_has_no_token(engine: Engine) -> None:
    token = added(engine)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT CAST(api_token AS text) || CAST(desk_user AS text) FROM api_token, desk_user"
        )
        assert all(token not in row[0] for row in rows)


def test_a_name_is_free_of_people_and_of_other_tokens(engine: Engine) -> None:
    add(engine, "Ana")
    added(engine, "search")
    for taken in ("ana", "Search"):
        with pytest.raises(UsageError, match="exists already"):
            added(engine, taken)


def test_a_token_of_yesterday_is_not_added(engine: Engine) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(UsageError, match="expired already"):
        add_token(engine, "late", role=Role.VIEWER, expires_at=past, per_minute=10)
    assert list_tokens(engine) == []


def test_tokens_are_logged_and_revoked_once(engine: Engine) -> None:
    token = added(engine)
    revoke_token(engine, "a program")
    with pytest.raises(LoginRefusedError):
        caller_of(engine, token)
    with pytest.raises(UsageError, match="revoked before"):
        revoke_token(engine, "a program")
    (kept,) = list_tokens(engine)
    assert kept.ended_at is not None
    logged = list_actions(engine)
    assert [(each.what, each.about["account"]) for each in logged] == [
        ("token revoked", kept.number),
        ("token added", kept.number),
    ]
    assert token not in str(logged)


def test_a_person_is_not_revoked(engine: Engine) -> None:
    add(engine, "Ana")
    with pytest.raises(UsageError, match="no token"):
        revoke_token(engine, "Ana")
    (ana,) = list_accounts(engine)
    assert ana.ended_at is None
