"""Sessions: what a browser's cookie stands for. The store holds the SHA-256 of its token only.

A session ends after twelve hours, or after one without a request; at logout; and when the role or
the password of its account changes, or the account ends.
"""

import secrets
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, Engine, text

from common.errors import LoginRefusedError
from common.store.tables import Role

HOURS = 12  # of a session at most
IDLE_MINUTES = 60
MOST = 20  # sessions of an account; the oldest ones end
_ORDER = tuple(Role)

_BEGIN = text(f"""
    INSERT INTO desk_session (token_sha256, user_id, csrf, ends_at)
    SELECT :token, id, :csrf, now() + interval '{HOURS} hours' FROM desk_user
    WHERE id = :account AND ended_at IS NULL AND password IS NOT DISTINCT FROM :password
    FOR SHARE
""")
# Rows that another process is about to remove are left to it: nobody waits for anybody.
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
# A request within a minute of the last writes nothing.
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
    """Who asks: the account's number, name and role, and the word that its forms bring back."""

    number: int
    name: str
    role: Role
    csrf: str

    def may(self, needed: Role) -> bool:
        return _ORDER.index(self.role) >= _ORDER.index(needed)


def begin_session(connection: Connection, account: int, password: str | None) -> str:
    """The token of a new session, for the browser alone.

    Args:
        password: the hash that was just verified; none after a login elsewhere.

    Raises:
        LoginRefusedError: the account ended, or its password changed, since it was looked at.
    """
    token = secrets.token_urlsafe(32)
    values = {"account": account, "password": password, "csrf": secrets.token_urlsafe(32)}
    if connection.execute(_BEGIN, values | {"token": _digest(token)}).rowcount != 1:
        raise LoginRefusedError("The account was changed meanwhile. Log in again.")
    connection.execute(_TIDY, {"account": account})
    return token


def who(engine: Engine, token: str | None) -> LoggedIn | None:
    """Whose session a cookie stands for; none if it ended, or never began."""
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
    """Log an account out everywhere, after its row was changed in the same transaction.

    A login that goes on at the same time locks the row, so it ends here or is refused there.
    """
    connection.execute(_END_ALL, {"account": account})


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
