"""Login by name and password, or with the identity provider."""

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import structlog
from sqlalchemy import Connection, Engine, text

from common.errors import LoginRefusedError, UsageError
from common.process.settings.desk import AccessSettings
from common.store.tables import Role
from desk.access.accounts import (
    LONGEST_NAME,
    DeskAccount,
    checked_name,
    find_account,
    find_subject,
    free_name,
    insert_account,
    lock_names,
    set_role,
)
from desk.access.actions import log_action
from desk.access.attempts import begin_attempt, network_of, strike_out
from desk.access.identity import Identity, IdentityProvider
from desk.access.passwords import hash_password, is_outdated, is_password
from desk.access.sessions import begin_session, end_sessions

log = structlog.get_logger()
_WRONG = "Name or password is wrong."
_NOT_ADDED = (
    "The identity provider knows you, but the desk does not. "
    "Ask the person who runs the desk to add you. Give them your subject: {subject}"
)
_NO_ROLE = "The identity provider gives you no role at the desk. Ask the person who runs the desk."
_PLAIN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2999}")  # browsers read \ as /
_REHASH = text("UPDATE desk_user SET password = :new WHERE id = :id AND password = :old")


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """A successful login. `token` is for the session's cookie. `browser` is the value by which the
    account knows this browser from now on."""

    number: int
    token: str = field(repr=False)
    browser: str | None = field(repr=False)


def log_in(
    engine: Engine, *, name: str, password: str, address: str, browser: str | None
) -> Entrance:
    """Check a name and a password, and begin a session.

    An unknown name takes as long as a wrong password and counts as much.

    Args:
        address: the network address of the browser.
        browser: the value that an earlier login gave this browser.

    Raises:
        TooManyLoginsError: too many logins failed, so the password was not checked.
        LoginRefusedError: the name or password is wrong, or the account has ended. The message
            does not say which.
    """
    with engine.connect() as connection:
        account = find_account(connection, name)
    kept = account.password if account is not None and account.ended_at is None else None
    known = browser if account is not None and _is_known(account, browser) else None
    typed = (account.name if account is not None else None) or name
    attempt = begin_attempt(engine, name=typed, address=address, browser=known)
    if not is_password(password, kept) or account is None or kept is None:
        number = account.number if account is not None else None  # a typed name may be a password
        log.warning("login refused", account=number, network=network_of(address))
        raise LoginRefusedError(_WRONG)
    kept = _up_to_date(engine, account, kept, password)
    with engine.begin() as connection:
        token = begin_session(connection, account.number, kept)
        strike_out(connection, attempt)
    return Entrance(number=account.number, token=token, browser=_known_by(account.number, kept))


def log_in_as(engine: Engine, identity: Identity, settings: AccessSettings) -> Entrance:
    """Begin a session of a person whom the identity provider names. Add an account if that is set.

    Raises:
        LoginRefusedError: the account has ended or does not exist, or the provider names no role.
            If it named a role before, the sessions of that role have ended.
    """
    with engine.begin() as connection:
        lock_names(connection)
        account = find_subject(connection, identity.subject)
        role = _role(account, identity, settings)
        if role is not None:
            account = _with_role(connection, account, identity, role)
            if account.ended_at is not None:
                raise LoginRefusedError("This account has ended. Ask the person who runs the desk.")
            token = begin_session(connection, account.number, account.password)
            return Entrance(number=account.number, token=token, browser=None)
        if account is not None:
            end_sessions(connection, account.number)
    by_claim = settings.oidc_role_claim is not None
    raise LoginRefusedError(_NO_ROLE if by_claim else _NOT_ADDED.format(subject=identity.subject))


def come_back(
    engine: Engine,
    provider: IdentityProvider,
    settings: AccessSettings,
    *,
    origin: str,
    cookie: str | None,
    answer: Mapping[str, str],
    address: str,
) -> Entrance:
    """Begin a session when the identity provider sends a browser back. Failures have a limit too.

    Args:
        origin: the origin of the desk's pages, as at the departure.
        cookie: the cookie of the departure.
        answer: the parameters of the address that the provider sent the browser to.
        address: the network address of the browser.

    Raises:
        TooManyLoginsError: too many logins failed, so the provider was not asked.
        LoginRefusedError: as for `IdentityProvider.finish` and `log_in_as`.
    """
    provider.check_return(cookie=cookie, answer=answer)  # a link of another site fails here
    attempt = begin_attempt(engine, name=None, address=address, browser=None)
    identity = provider.finish(origin=origin, cookie=cookie, answer=answer)
    entrance = log_in_as(engine, identity, settings)
    with engine.begin() as connection:
        strike_out(connection, attempt)
    return entrance


def local_path(wanted: str | None) -> str:
    """The wanted path if it is a path of the desk, else the path of the first page."""
    return wanted if wanted and _PLAIN_PATH.fullmatch(wanted) else "/"


def _role(account: DeskAccount | None, identity: Identity, settings: AccessSettings) -> Role | None:
    """The role of a person from the provider; None if neither the provider nor the desk has one."""
    named = identity.role if settings.oidc_role_claim else account and account.role
    default = settings.oidc_default_role
    return named or (Role(default) if default else None)


def _with_role(
    connection: Connection, account: DeskAccount | None, identity: Identity, role: Role
) -> DeskAccount:
    if account is None:
        return _add(connection, identity, role)
    if account.role != role:
        set_role(connection, account.number, role)
        _log_role(connection, "role changed at login", account.number, role)
    return account


def _add(connection: Connection, identity: Identity, role: Role) -> DeskAccount:
    """Add an account. If another account has the name, a number is added to it."""
    try:
        wanted = checked_name(identity.name[:LONGEST_NAME])
    except UsageError:
        wanted = "somebody"
    name = free_name(connection, wanted)
    account = insert_account(connection, name, role=role, password=None, subject=identity.subject)
    _log_role(connection, "account added at login", account.number, role)
    return account


def _log_role(connection: Connection, what: str, number: int, role: Role) -> None:
    log_action(connection, number, what, {"account": number, "role": role})


def _up_to_date(engine: Engine, account: DeskAccount, kept: str, password: str) -> str:
    """The hash of a right password, computed again if its parameters are outdated."""
    if not is_outdated(kept):
        return kept
    new = hash_password(password)
    with engine.begin() as connection:
        values = {"id": account.number, "old": kept, "new": new}
        changed = connection.execute(_REHASH, values).rowcount
    return new if changed else kept


def _known_by(number: int, kept: str) -> str:
    """A value for the browser, signed with the hash of the password, which only the store knows."""
    said = f"{number}.{secrets.token_urlsafe(16)}"
    return f"{said}.{_signature(said, kept)}"


def _is_known(account: DeskAccount, browser: str | None) -> bool:
    said, _, signature = (browser or "").rpartition(".")
    if account.password is None or said.partition(".")[0] != str(account.number):
        return False
    return hmac.compare_digest(_signature(said, account.password).encode(), signature.encode())


def _signature(said: str, kept: str) -> str:
    return hmac.new(kept.encode(), said.encode(), sha256).hexdigest()
