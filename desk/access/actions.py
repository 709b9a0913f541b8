"""The log of what was done at the desk: who by number, what, and about what; never a name.

The database refuses to change or remove a row. A name that is forgotten is in no row.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, exists, insert, select
from sqlalchemy.orm import aliased

from common.store.tables import Action, DeskUser

PAGE = 50  # actions
_NOT_DONE = "not done"  # a row about an earlier one, since no row changes


@dataclass(frozen=True, kw_only=True)
class LoggedAction:
    """An action, with the name that its account has today, or the account's number.

    Unless it `is_done`, it was refused or failed.
    """

    number: int
    at: datetime
    by: str
    what: str
    about: Mapping[str, Any]
    is_done: bool


def log_action(connection: Connection, user: int, what: str, about: Mapping[str, Any]) -> int:
    """Log an action in the transaction that does it: both stand, or neither; returns its number.

    Args:
        what: a few words, as in "role changed".
        about: JSON; numbers of accounts, no names of people and no secrets: it stays for ever.
    """
    added = insert(Action).values(user_id=user, what=what, about=dict(about)).returning(Action.id)
    return connection.execute(added).scalar_one()


def log_not_done(connection: Connection, user: int, number: int) -> None:
    """Log that an action, which was logged before it was done, was refused or failed."""
    log_action(connection, user, _NOT_DONE, {"action": number})


def list_actions(engine: Engine, *, before: int | None = None) -> list[LoggedAction]:
    """A page of the log, the latest action first.

    Args:
        before: the number of the last action of the page before this one.
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
    """What pages call an account: its name, or its number where the name was forgotten."""
    return name if name is not None else f"account {number}"
