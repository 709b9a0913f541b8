"""The log of what was done at the desk: who by number, what, and about what; never a name.

The database refuses to change or remove a row. A name that is forgotten is in no row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from common.store.tables import Action, DeskUser

PAGE = 50  # actions


@dataclass(frozen=True, kw_only=True)
class LoggedAction:
    """An action, with the name that its account has today, or the account's number."""

    number: int
    at: datetime
    user: int
    by: str
    what: str
    about: Mapping[str, Any]


def log_action(connection: Connection, user: int, what: str, about: Mapping[str, Any]) -> None:
    """Log an action in the transaction that does it: both stand, or neither.

    Args:
        what: a few words, as in "role changed".
        about: JSON; numbers of accounts, no names of people and no secrets: it stays for ever.
    """
    connection.execute(insert(Action).values(user_id=user, what=what, about=dict(about)))


def list_actions(engine: Engine, *, before: int | None = None) -> list[LoggedAction]:
    """A page of the log, the latest action first.

    Args:
        before: the number of the last action of the page before this one.
    """
    statement = (
        select(Action, DeskUser.name)
        .join(DeskUser, DeskUser.id == Action.user_id)
        .order_by(Action.id.desc())
        .limit(PAGE)
    )
    if before is not None:
        statement = statement.where(Action.id < before)
    columns = statement.with_only_columns(*Action.__table__.columns, DeskUser.name)
    with engine.connect() as connection:
        rows = connection.execute(columns).all()
    return [
        LoggedAction(
            number=row.id,
            at=row.at,
            user=row.user_id,
            by=shown_name(row.user_id, row.name),
            what=row.what,
            about=row.about,
        )
        for row in rows
    ]


def shown_name(number: int, name: str | None) -> str:
    """What pages call an account: its name, or its number where the name was forgotten."""
    return name if name is not None else f"account {number}"
