"""Accounts of the desk, and the built-in account of a desk that has none.

Names are unique without regard to case, and begin with a letter or a digit. The built-in account's
name begins with neither, so that no person can take it or log in with it. The log of actions names
accounts by number. Accounts of programs have a token (`tokens`); here only their names count.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, text

from common.errors import UsageError
from common.process.settings.desk import AccessSettings
from common.process.web_addresses import is_loopback
from common.store.signals import AdvisoryLock
from common.store.tables import Role
from desk.access.actions import log_action
from desk.access.attempts import forget_attempts
from desk.access.passwords import hash_password
from desk.access.sessions import LoggedIn, end_sessions

LONGEST_NAME = 80  # characters
LONGEST_SUBJECT = 255  # characters, the limit of OpenID Connect
BUILT_IN = "(local)"

_LOCK = text(AdvisoryLock.ACCOUNTS.take)
_IS_PERSON = "NOT EXISTS (SELECT FROM api_token WHERE user_id = desk_user.id)"
_COLUMNS = "id, name, role, password, subject, created_at, ended_at"
_FIND = text(f"""
    SELECT {_COLUMNS} FROM desk_user
    WHERE (name = :name OR lower(name) = lower(:name)) AND {_IS_PERSON}
    ORDER BY name <> :name LIMIT 1
""")
_FIND_SUBJECT = text(f"SELECT {_COLUMNS} FROM desk_user WHERE subject = :subject")
_LIST = text(f"""
    SELECT {_COLUMNS} FROM desk_user
    WHERE name IS DISTINCT FROM :built_in AND {_IS_PERSON} ORDER BY id
""")
_NAMES = text("SELECT name FROM desk_user WHERE name IS NOT NULL")
_ADD = text(f"""
    INSERT INTO desk_user (name, role, password, subject)
    VALUES (:name, :role, :password, :subject) RETURNING {_COLUMNS}
""")
_ADD_BUILT_IN = text("""
    INSERT INTO desk_user (name, role) VALUES (:built_in, 'operator') ON CONFLICT DO NOTHING
""")
_BUILT_IN = text(f"""
    SELECT (SELECT id FROM desk_user WHERE name = :built_in) AS id,
        EXISTS (
            SELECT FROM desk_user
            WHERE name IS DISTINCT FROM :built_in AND {_IS_PERSON}
              AND ended_at IS DISTINCT FROM created_at
        ) AS has_accounts
""")
_CHANGE_ROLE = text("UPDATE desk_user SET role = :role WHERE id = :id")
_SET_PASSWORD = text("UPDATE desk_user SET password = :password WHERE id = :id")
_END = text("UPDATE desk_user SET ended_at = coalesce(ended_at, now()) WHERE id = :id")
_FORGET = text("""
    UPDATE desk_user SET name = NULL, password = NULL, subject = NULL,
        ended_at = coalesce(ended_at, now())
    WHERE id = :id
""")


@dataclass(frozen=True, kw_only=True)
class DeskAccount:
    """An account, which logs in by password, subject, or both.

    `name` is None after the account was forgotten. `password` is a hash.
    """

    number: int
    name: str | None
    role: Role
    password: str | None = field(repr=False)
    subject: str | None
    created_at: datetime
    ended_at: datetime | None


def checked_name(name: str) -> str:
    """The name in the form NFKC, in which characters that look the same are the same.

    Raises:
        UsageError: it is too long, has invisible characters, or begins with a wrong character.
    """
    kept = re.sub(" +", " ", unicodedata.normalize("NFKC", name[: 4 * LONGEST_NAME])).strip(" ")
    if not (0 < len(kept) <= LONGEST_NAME and kept.isprintable() and kept[0].isalnum()):
        raise UsageError(
            f"{name[:LONGEST_NAME]!r} cannot be a name. A name has 1 to {LONGEST_NAME} "
            "visible characters and begins with a letter or a digit."
        )
    return kept


def add_account(
    engine: Engine, name: str, *, role: Role, password: str | None, subject: str | None
) -> DeskAccount:
    """Add an account that logs in by password, as a subject of the identity provider, or both.

    Raises:
        UsageError: name, password or subject is invalid, or belongs to another account.
    """
    name = checked_name(name)
    if subject is not None:
        check_subject(subject)
    if password is None and subject is None:
        raise UsageError(f"'{name}' needs a password or a subject to log in.")
    kept = hash_password(password) if password is not None else None
    with engine.begin() as connection:
        lock_names(connection)
        check_free(connection, name)
        if subject is not None and find_subject(connection, subject) is not None:
            raise UsageError("Another account already has this subject. See: desk users list")
        account = insert_account(connection, name, role=role, password=kept, subject=subject)
        log_command(connection, "account added", account.number, {"role": role})
    return account


def list_accounts(engine: Engine) -> list[DeskAccount]:
    """All accounts in the order of their numbers, including ended and forgotten ones."""
    with engine.connect() as connection:
        return [_account(row) for row in connection.execute(_LIST, {"built_in": BUILT_IN})]


def change_role(engine: Engine, name: str, role: Role) -> None:
    """Give an account another role, and end its sessions.

    Raises:
        UsageError: there is no such account.
    """
    with engine.begin() as connection:
        account = named(connection, name)
        set_role(connection, account.number, role)
        log_command(connection, "role changed", account.number, {"role": role})


def set_password(engine: Engine, name: str, password: str) -> None:
    """Give an account another password, and end its sessions.

    Raises:
        UsageError: there is no such account, or the password is too short or too long.
    """
    kept = hash_password(password)
    with engine.begin() as connection:
        account = named(connection, name)
        connection.execute(_SET_PASSWORD, {"id": account.number, "password": kept})
        end_sessions(connection, account.number)
        forget_attempts(connection, account.name or name)
        log_command(connection, "password changed", account.number)


def end_account(engine: Engine, name: str) -> None:
    """End an account, so that it can no longer log in. Its name, verdicts and actions stay.

    Raises:
        UsageError: there is no such account.
    """
    with engine.begin() as connection:
        account = named(connection, name)
        connection.execute(_END, {"id": account.number})
        end_sessions(connection, account.number)
        log_command(connection, "account ended", account.number)


def forget_account(engine: Engine, name: str) -> int:
    """End an account and erase its name, password and subject. Returns its number, which stays.

    Raises:
        UsageError: there is no such account.
    """
    with engine.begin() as connection:
        account = named(connection, name)
        connection.execute(_FORGET, {"id": account.number})
        end_sessions(connection, account.number)
        forget_attempts(connection, account.name or name)
        log_command(connection, "account forgotten", account.number)
    return account.number


def local_operator(
    engine: Engine, settings: AccessSettings, *, address: str, word: str
) -> LoggedIn | None:
    """The built-in account, for a desk that has no accounts. It is created when first needed.

    None if there was ever an account, even one that ended: the desk must not open by itself. An
    account of an import ended as it began, and does not count. Also None if there is an identity
    provider, or if another machine may ask.

    Args:
        address: the network address of the browser.
        word: the word that forms send back (`csrf.word_for`), because there is no session.
    """
    is_here = is_loopback(address) and is_loopback(settings.host or "localhost")
    if settings.oidc_issuer is not None or not is_here:
        return None
    with engine.begin() as connection:
        found = connection.execute(_BUILT_IN, {"built_in": BUILT_IN}).one()
        if found.has_accounts:
            return None
        number = found.id if found.id is not None else _built_in(connection)
    return LoggedIn(number=number, name=BUILT_IN, role=Role.OPERATOR, csrf=word)


def find_account(connection: Connection, name: str) -> DeskAccount | None:
    """The account with this name, without regard to case; None if there is none."""
    try:
        kept = checked_name(name)
        kept.encode()
    except (UsageError, UnicodeEncodeError):
        return None
    row = connection.execute(_FIND, {"name": kept}).one_or_none()
    return _account(row) if row is not None else None


def find_subject(connection: Connection, subject: str) -> DeskAccount | None:
    row = connection.execute(_FIND_SUBJECT, {"subject": subject}).one_or_none()
    return _account(row) if row is not None else None


def check_subject(subject: str) -> None:
    """Refuse a text that cannot be a subject.

    Raises:
        UsageError: it is empty, too long, or has invisible characters.
    """
    if not (0 < len(subject) <= LONGEST_SUBJECT and subject.isprintable()):
        raise UsageError(f"A subject has 1 to {LONGEST_SUBJECT} visible characters.")


def lock_names(connection: Connection) -> None:
    """Let no other transaction add a name until this one ends."""
    connection.execute(_LOCK)


def free_name(connection: Connection, wanted: str) -> str:
    """A free name like the wanted one. Names must be locked."""
    number, name = 1, wanted
    while _like(connection, name) is not None:
        number += 1
        name = f"{wanted[: LONGEST_NAME - 8].rstrip()} ({number})"
    return name


def insert_account(
    connection: Connection, name: str, *, role: Role, password: str | None, subject: str | None
) -> DeskAccount:
    """Insert an account whose fields are checked. `password` is a hash."""
    values = {"name": name, "role": role, "password": password, "subject": subject}
    return _account(connection.execute(_ADD, values).one())


def set_role(connection: Connection, number: int, role: Role) -> None:
    """Change the role, and log the account out everywhere."""
    connection.execute(_CHANGE_ROLE, {"id": number, "role": role})
    end_sessions(connection, number)


def _like(connection: Connection, name: str) -> str | None:
    """An existing name that differs only in case by the rules of Unicode, not of the database."""
    folded = name.casefold()
    names = connection.scalars(_NAMES)
    return next((other for other in names if other.casefold() == folded), None)


def check_free(connection: Connection, name: str) -> None:
    """Refuse a name, as `checked_name` returns it, that an account already has."""
    if (taken := _like(connection, name)) is not None:
        raise UsageError(f"The account '{taken}' exists already. Choose another name.")


def named(connection: Connection, name: str) -> DeskAccount:
    """As `find_account`, but raises UsageError if there is none."""
    account = find_account(connection, name)
    if account is None:
        raise UsageError(f"There is no account {name[:LONGEST_NAME]!r}. See: desk users list")
    return account


def log_command(
    connection: Connection, what: str, number: int, about: Mapping[str, Any] | None = None
) -> None:
    """Log an action of a command as one of the built-in account."""
    log_action(connection, _built_in(connection), what, {"account": number} | dict(about or {}))


def _built_in(connection: Connection) -> int:
    connection.execute(_ADD_BUILT_IN, {"built_in": BUILT_IN})
    return int(connection.execute(_BUILT_IN, {"built_in": BUILT_IN}).one().id)


def _account(row: Row[Any]) -> DeskAccount:
    values = dict(row._mapping)
    return DeskAccount(number=values.pop("id"), role=Role(values.pop("role")), **values)
