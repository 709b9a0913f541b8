"""Limits on failed logins. They are in the store, so all processes of a desk share them.

The desk writes an attempt to the store before it checks the password, and removes it if the
password is right. So ten attempts at once count as ten. A refused attempt is not written, so a
limit ends by itself and the table stays small.

A stranger can use up the limits of a name. A browser in which the account was logged in before has
a limit of its own, which no stranger can use up (`login`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import Connection, Engine, text

from common.errors import TooManyLoginsError
from common.fetch.addresses import embedded
from common.store.signals import AdvisoryLock

MINUTES = 15
FOR_NAME_FROM_ADDRESS = 5
FOR_ADDRESS = 20
FOR_NAME = 50  # from all addresses
FOR_KNOWN_BROWSER = 5
IN_ALL = 10_000
_NETWORK_OF_ONE = 56  # bits of an IPv6 address that name one customer of a provider

_LOCK = text(AdvisoryLock.LOGIN_ATTEMPTS.take)
_AGE = f"(clock_timestamp() - interval '{MINUTES} minutes')"
_FORGET_OLD = text(f"DELETE FROM login_attempt WHERE at <= {_AGE}")
_WAIT = text(f"""
    SELECT extract(epoch FROM max(freed.at) - {_AGE}) FROM
        unnest(CAST(:subjects AS text[]), CAST(:limits AS int[])) AS known (subject, most),
        LATERAL (
            SELECT at FROM login_attempt WHERE subject = known.subject AND at > {_AGE}
            ORDER BY at DESC OFFSET known.most - 1 LIMIT 1
        ) AS freed
""")
_WRITE = text("""
    INSERT INTO login_attempt (subject, at)
    SELECT subject, clock_timestamp() FROM unnest(CAST(:subjects AS text[])) AS subject
    RETURNING id
""")
_STRIKE_OUT = text("DELETE FROM login_attempt WHERE id = ANY(:ids)")
_FORGET_NAME = text("DELETE FROM login_attempt WHERE starts_with(subject, :name)")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A login attempt. Its rows count as a failure until they are struck out."""

    name: str | None
    ids: tuple[int, ...]


def begin_attempt(
    engine: Engine, *, name: str | None, address: str, browser: str | None
) -> Attempt:
    """Write an attempt to the store, unless too many have failed.

    Args:
        name: as the person typed it, or None for the identity provider. The store gets only a
            hash, because people type passwords there too.
        address: the network address of the browser.
        browser: the value by which the account knows this browser, if it is valid; else None.

    Raises:
        TooManyLoginsError: it has the seconds until the next attempt is allowed.
    """
    limits = _limits(name, address, browser)
    with engine.begin() as connection:
        _check_limits(connection, limits)  # refuse before taking the lock
        connection.execute(_LOCK)
        _check_limits(connection, limits)
        connection.execute(_FORGET_OLD)
        ids = tuple(connection.scalars(_WRITE, {"subjects": list(limits)}))
    return Attempt(name=name, ids=ids)


def _check_limits(connection: Connection, limits: Mapping[str, int]) -> None:
    asked = {"subjects": list(limits), "limits": list(limits.values())}
    wait = connection.scalar(_WAIT, asked)
    if wait is not None:
        raise _too_many(float(wait))


def strike_out(connection: Connection, attempt: Attempt) -> None:
    """Remove an attempt that was right, and the earlier ones of its name."""
    connection.execute(_LOCK)  # else two transactions that remove the same rows may deadlock
    connection.execute(_STRIKE_OUT, {"ids": list(attempt.ids)})
    if attempt.name is not None:
        forget_attempts(connection, attempt.name)


def forget_attempts(connection: Connection, name: str) -> None:
    connection.execute(_LOCK)
    connection.execute(_FORGET_NAME, {"name": _of_name(name)})


def network_of(address: str) -> str:
    """The network that shares a limit: an IPv4 address, or the IPv6 network of one customer."""
    try:
        found = embedded(ip_address(address.partition("%")[0]))
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _NETWORK_OF_ONE), strict=False))
    return str(found)


def _limits(name: str | None, address: str, browser: str | None) -> Mapping[str, int]:
    if browser is not None:
        return {f"browser:{_hash(browser)}": FOR_KNOWN_BROWSER}
    network = network_of(address)
    if name is None:  # a separate limit: failed passwords must not block logins with the provider
        return {f"provider@{network}": FOR_ADDRESS, "provider": IN_ALL}
    of_name = _of_name(name)
    of_all = {f"address:{network}": FOR_ADDRESS, "all": IN_ALL}
    return {f"{of_name}@{network}": FOR_NAME_FROM_ADDRESS, of_name: FOR_NAME} | of_all


def _of_name(name: str) -> str:
    return f"name:{_hash(name)}"


def _hash(said: str) -> str:
    return sha256(said.casefold().encode("utf-8", "surrogatepass")).hexdigest()


def _too_many(seconds: float) -> TooManyLoginsError:
    minutes = max(1, math.ceil(seconds / 60))
    unit = "minute" if minutes == 1 else "minutes"
    return TooManyLoginsError(
        f"Too many logins failed. Wait {minutes} {unit}. Then try again.",
        seconds=max(1.0, seconds),
    )
