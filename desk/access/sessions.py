"""Sessions. The browser's cookie has the token; the store has only the token's SHA-256.

A session ends after twelve hours, after one hour without a request, and at logout. It also ends
when the role or the password of its account changes, or when the account ends.
"""

import secrets
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, Engine, text

from common.errors import LoginRefusedError
from common.store.tables import Role

HOURS = 12  # the longest session
IDLE_MINUTES = 60
MOST = 20  # sessions of an account; after that the oldest ones end
_ORDER = tuple(Role)

_BEGIN = text(f"""
    INSERT INTO desk_session (token_sha256, user_id, csrf, ends_at)
    SELECT :token, id, :csrf, now() + interval '{HOURS} hours' FROM desk_user
    WHERE id = :account AND ended_at IS NULL AND password IS NOT DISTINCT FROM :password
    FOR SHARE
""")
# SKIP LOCKED leaves rows to the process that is removing them, so no process waits.
_TIDY = text(f"""
    DELETE FROM desk_session WHERE token_sha256 IN (
        SELECT token_sha256 FROM desk_session
        WHERE ends_at <= now() OR seen_at <= now() - interval '{IDLE_MINUTES} minutes'
            OR token_sha256 IN (
                SELECT token_sha256 FROM desk_session WHERE user_id = :account
                ORDER BY began_at DESC OFFSET {MOST}
            )
        FOR UPDATE SKIP LOCKED
    )
""")
# A request within a minute of the last one writes no row.
_WHO = text(f"""
    WITH found AS (
        SELECT token_sha256, id, name, role, csrf
        FROM desk_session JOIN desk_user ON desk_user.id = user_id
        WHERE token_sha256 = :token AND ended_at IS NULL AND ends_at > now()
            AND seen_at > now() - interval '{IDLE_MINUTES} minutes'
    ), seen AS (
        UPDATE desk_session SET seen_at = now() FROM found
        WHERE desk_session.token_sha256 = found.token_sha256
            AND seen_at < now() - interval '1 minute'
    )
    SELECT id, name, role, csrf FROM found
""")
_END = text("DELETE FROM desk_session WHERE token_sha256 = :token")
_END_ALL = text("DELETE FROM desk_session WHERE user_id = :account")


@dataclass(frozen=True, kw_only=True)
class LoggedIn:
    """The account of a session, and the word that its forms send back."""

    number: int
    name: str
    role: Role
    csrf: str

    def may(self, needed: Role) -> bool:
        return _ORDER.index(self.role) >= _ORDER.index(needed)


def begin_session(connection: Connection, account: int, password: str | None) -> str:
    """Begin a session and return its token, which only the browser may have.

    Args:
        password: the hash that was just verified; None after a login with the provider.

    Raises:
        LoginRefusedError: the account has ended, or its password changed after the check.
    """
    token = secrets.token_urlsafe(32)
    values = {"account": account, "password": password, "csrf": secrets.token_urlsafe(32)}
    if connection.execute(_BEGIN, values | {"token": _digest(token)}).rowcount != 1:
        raise LoginRefusedError("Your account has just been changed. Log in again.")
    connection.execute(_TIDY, {"account": account})
    return token


def who(engine: Engine, token: str | None) -> LoggedIn | None:
    """The account of a token; None if its session has ended or never began."""
    if not token:
        return None
    with engine.begin() as connection:
        row = connection.execute(_WHO, {"token": _digest(token)}).one_or_none()
    if row is None:
        return None
    return LoggedIn(number=row.id, name=row.name, role=Role(row.role), csrf=row.csrf)


def end_session(engine: Engine, token: str | None) -> None:
    if token:
        with engine.begin() as connection:
            connection.execute(_END, {"token": _digest(token)})


def end_sessions(connection: Connection, account: int) -> None:
    """Log an account out everywhere. The same transaction must have changed the account's row.

    A login at the same time locks that row: its session either ends here, or the login is refused.
    """
    connection.execute(_END_ALL, {"account": account})


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
