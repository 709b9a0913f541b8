"""Tokens of the HTTP API. A program has the token; the store has only its SHA-256.

Each token has an account of its own, with no password. So its verdicts and actions have a number
like those of people, and what it may do is a role. A token that was revoked keeps its name.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, Row, text

from common.errors import LoginRefusedError, TooManyRequestsError, UsageError
from common.store.tables import Role
from desk.access.accounts import (
    LONGEST_NAME,
    check_free,
    checked_name,
    insert_account,
    lock_names,
    log_command,
)
from desk.access.sessions import LoggedIn

PER_MINUTE = 600  # requests, unless the token has another limit
PREFIX = "desk_"  # by which people and scanners of secrets know what it is

_ADD = text("""
    INSERT INTO api_token (user_id, token_sha256, expires_at, per_minute)
    VALUES (:user, :token, :expires_at, :per_minute)
    RETURNING coalesce(expires_at > now(), true)
""")
_LIST = text("""
    SELECT id AS number, name, role, per_minute, created_at, expires_at, minute AS used_at, ended_at
    FROM api_token JOIN desk_user ON id = user_id ORDER BY id
""")
_REVOKE = text("""
    UPDATE desk_user SET ended_at = now() FROM api_token
    WHERE user_id = id AND name = :name AND ended_at IS NULL RETURNING id
""")
# A crash may forget the last requests of a minute, so the commit need not wait for the disk.
_FAST = text("SET LOCAL synchronous_commit = off")
_COUNT = text("""
    UPDATE api_token SET minute = date_trunc('minute', now()),
        requests = CASE WHEN minute = date_trunc('minute', now()) THEN requests + 1 ELSE 1 END
    FROM desk_user
    WHERE id = user_id AND token_sha256 = :token AND ended_at IS NULL
        AND (expires_at IS NULL OR expires_at > now())
    RETURNING id, name, role, requests, per_minute,
        60 - extract(second FROM now()) AS seconds
""")


@dataclass(frozen=True, kw_only=True)
class ListedToken:
    """A token without its secret. `used_at` is the minute of its last request."""

    number: int
    name: str | None
    role: Role
    per_minute: int
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    ended_at: datetime | None


def add_token(
    engine: Engine, name: str, *, role: Role, expires_at: datetime | None, per_minute: int
) -> str:
    """Add a token and return it. It cannot be shown again.

    Raises:
        UsageError: the name is invalid or belongs to another account, or the time is over.
    """
    name, token = checked_name(name), f"{PREFIX}{secrets.token_urlsafe(32)}"
    with engine.begin() as connection:
        lock_names(connection)
        check_free(connection, name)
        account = insert_account(connection, name, role=role, password=None, subject=None)
        values = {"user": account.number, "token": _digest(token), "per_minute": per_minute}
        if not connection.execute(_ADD, values | {"expires_at": expires_at}).scalar_one():
            raise UsageError("The token would have expired already. Give a later day.")
        about = {"role": role, "per_minute": per_minute, "expires_at": _written(expires_at)}
        log_command(connection, "token added", account.number, about)
    return token


def list_tokens(engine: Engine) -> list[ListedToken]:
    """All tokens in the order of their numbers, including revoked and expired ones."""
    with engine.connect() as connection:
        rows = connection.execute(_LIST).mappings()
        return [ListedToken(**{**row, "role": Role(row["role"])}) for row in rows]


def revoke_token(engine: Engine, name: str) -> None:
    """Let a token open nothing from now on.

    Raises:
        UsageError: no valid token has this name.
    """
    with engine.begin() as connection:
        number = connection.execute(_REVOKE, {"name": checked_name(name)}).scalar_one_or_none()
        if number is None:
            raise UsageError(
                f"There is no token {name[:LONGEST_NAME]!r}, or it was revoked before. "
                "See: desk tokens list"
            )
        log_command(connection, "token revoked", number)


def caller_of(engine: Engine, token: str | None) -> LoggedIn:
    """The account of a token, whose request is counted.

    Raises:
        LoginRefusedError: the token is missing, unknown, expired or revoked.
        TooManyRequestsError: the token has made all its requests of this minute.
    """
    if not token:
        raise LoginRefusedError(
            "This request needs a token. Send the token as `Authorization: Bearer TOKEN`, or "
            "as the password of HTTP Basic. The person who runs the desk can make a token: "
            "desk tokens add NAME"
        )
    with engine.begin() as connection:
        row = _counted(connection, token)
    if row is None:
        raise LoginRefusedError("The token is unknown, has expired, or was revoked.")
    if row.requests > row.per_minute:
        raise TooManyRequestsError(
            f"This token may make {row.per_minute:,} requests a minute. Wait, then try again.",
            seconds=max(1.0, float(row.seconds)),
        )
    return LoggedIn(number=row.id, name=row.name, role=Role(row.role), csrf="")


def _counted(connection: Connection, token: str) -> Row[Any] | None:
    connection.execute(_FAST)
    return connection.execute(_COUNT, {"token": _digest(token)}).one_or_none()


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _written(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
