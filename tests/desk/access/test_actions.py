"""The action log: what is written stays as it is."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from desk.access.accounts import BUILT_IN, forget_account
from desk.access.actions import (
    PAGE,
    list_actions,
    log_action,
    log_not_done,
    shown_name,
    shown_names,
)
from tests.desk.access.people import add


def log(engine: Engine, user: int, *what: str) -> None:
    with engine.begin() as connection:
        for each in what:
            log_action(connection, user, each, {"job": "a", "records": 3})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE desk_action SET what = 'nothing'",
        "UPDATE desk_action SET what = 'nothing' WHERE false",
        "DELETE FROM desk_action",
        "TRUNCATE desk_action",
        "TRUNCATE desk_user CASCADE",
        "DELETE FROM desk_user",
    ],
)
def test_the_database_refuses_to_change_what_was_logged(engine: Engine, statement: str) -> None:
    add(engine)
    before = list_actions(engine)
    with (
        pytest.raises(Exception, match="kept as they were logged|violates foreign key"),
        engine.begin() as connection,
    ):
        connection.execute(text(statement))
    assert list_actions(engine) == before != []


def test_it_is_the_missing_privilege_that_is_told(engine: Engine) -> None:
    with (
        pytest.raises(ProgrammingError, match="kept as they were logged") as refused,
        engine.begin() as connection,
    ):
        connection.execute(text("DELETE FROM desk_action"))
    assert getattr(refused.value.orig, "pgcode", None) == "42501"


def test_an_action_stands_with_what_it_logs_or_not_at_all(engine: Engine) -> None:
    number = add(engine).number
    with engine.connect() as connection:
        log_action(connection, number, "job cancelled", {})
        connection.rollback()
    assert [action.what for action in list_actions(engine)] == ["account added"]


def test_what_was_not_done_is_marked_and_takes_no_line_of_its_own(engine: Engine) -> None:
    number = add(engine).number
    log(engine, number, "first", "second", "third")
    second = list_actions(engine)[1]
    with engine.begin() as connection:
        log_not_done(connection, number, second.number)
    shown = {each.what: each.is_done for each in list_actions(engine)}
    assert shown == {"third": True, "second": False, "first": True, "account added": True}


def test_accounts_are_called_as_they_are_today(engine: Engine) -> None:
    ann, bo = add(engine, "Ann").number, add(engine, "Bo").number
    forget_account(engine, "Bo")
    assert shown_names(engine, [ann, bo]) == {ann: "Ann", bo: f"account {bo}"}


def test_pages_are_read_from_the_latest_action_back(engine: Engine) -> None:
    number = add(engine).number
    log(engine, number, *(f"did {count}" for count in range(PAGE + 5)))
    first = list_actions(engine)
    assert len(first) == PAGE
    assert first[0].what == f"did {PAGE + 4}"
    assert first[0].about == {"job": "a", "records": 3}
    rest = list_actions(engine, before=first[-1].number)
    assert [action.what for action in rest] == [f"did {n}" for n in range(4, -1, -1)] + [
        "account added"
    ]
    assert list_actions(engine, before=rest[-1].number) == []


def test_an_account_that_was_forgotten_is_a_number(engine: Engine) -> None:
    number = add(engine).number
    log(engine, number, "job paused")
    assert list_actions(engine)[0].by == "Anna"
    forget_account(engine, "Anna")
    named = {action.what: action.by for action in list_actions(engine)}
    assert named["job paused"] == f"account {number}"
    assert named["account forgotten"] == BUILT_IN
    assert shown_name(7, None) == "account 7"
