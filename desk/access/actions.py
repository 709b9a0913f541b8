"""The log of actions: the account's number, the action, and what it was about; never a name.

The database refuses to change or remove a row. So no row may hold a name: it could not be erased.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, exists, insert, select
from sqlalchemy.orm import aliased

from common.store.tables import Action, DeskUser

PAGE = 50  # actions
_NOT_DONE = "not done"  # a new row about an earlier one, because rows cannot change


@dataclass(frozen=True, kw_only=True)
class LoggedAction:
    """An action, with the name that its account has today, or the account's number.

    If `is_done` is false, it was refused or failed.
    """

    number: int
    at: datetime
    by: str
    what: str
    about: Mapping[str, Any]
    is_done: bool


def log_action(connection: Connection, user: int, what: str, about: Mapping[str, Any]) -> int:
    """Log an action in the transaction that does it, and return its number.

    Args:
        what: a few words, as in "role changed".
        about: JSON. It stays for ever, so it names accounts by number and has no secrets.
    """
    added = insert(Action).values(user_id=user, what=what, about=dict(about)).returning(Action.id)
    return connection.execute(added).scalar_one()


def log_not_done(connection: Connection, user: int, number: int) -> None:
    """Log that the action with this number was refused or failed."""
    log_action(connection, user, _NOT_DONE, {"action": number})


def list_actions(engine: Engine, *, before: int | None = None) -> list[LoggedAction]:
    """A page of the log, the latest action first.

    Args:
        before: the number of the last action on the page before this one.
    """
    later = aliased(Action)
    refused = exists().where(
        later.what == _NOT_DONE,
        later.id > Action.id,
        later.about["action"].as_integer() == Action.id,
    )
    statement = (
        select(*Action.__table__.columns, DeskUser.name, (~refused).label("is_done"))
        .join(DeskUser, DeskUser.id == Action.user_id)
        .where(Action.what != _NOT_DONE)
        .order_by(Action.id.desc())
        .limit(PAGE)
    )
    if before is not None:
        statement = statement.where(Action.id < before)
    with engine.connect() as connection:
        rows = connection.execute(statement).all()
    return [
        LoggedAction(
            number=row.id,
            at=row.at,
            by=shown_name(row.user_id, row.name),
            what=row.what,
            about=row.about,
            is_done=row.is_done,
        )
        for row in rows
    ]


def shown_names(engine: Engine, numbers: Collection[int]) -> dict[int, str]:
    statement = select(DeskUser.id, DeskUser.name).where(DeskUser.id.in_(numbers))
    with engine.connect() as connection:
        return {row.id: shown_name(row.id, row.name) for row in connection.execute(statement)}


def shown_name(number: int, name: str | None) -> str:
    """The name of an account on pages, or its number if the name was forgotten."""
    return name if name is not None else f"account {number}"
