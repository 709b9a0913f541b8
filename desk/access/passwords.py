"""Passwords are stored as Argon2id hashes, with the parameters that argon2-cffi recommends.

A hash takes 64 MiB for a moment, so only a few are computed at a time. A password is brought to the
form NFKC before it is hashed, in which characters that look the same are the same.
"""

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from common.errors import LoginRefusedError, UsageError

SHORTEST, LONGEST = 12, 200  # characters
AT_A_TIME = 2  # hashes: 128 MiB of memory
LONGEST_WAIT = 10.0  # seconds until a hash can be computed
_HASHER = PasswordHasher()
_turns = threading.BoundedSemaphore(AT_A_TIME)


def check_password(password: str) -> None:
    """Refuse a password that is too short or too long.

    Raises:
        UsageError: the message gives the limits.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise UsageError(f"A password has {SHORTEST} to {LONGEST} characters. Choose another one.")


def hash_password(password: str) -> str:
    """The hash to store.

    Raises:
        UsageError: it is too short or too long.
        LoginRefusedError: too many passwords are being checked.
    """
    check_password(password)
    with _turn():
        return _HASHER.hash(_bytes(password))


def is_password(password: str, kept: str | None) -> bool:
    """Whether a password fits a stored hash. If `kept` is None: false, after as long a time.

    Raises:
        LoginRefusedError: too many passwords are being checked.
    """
    with _turn():
        try:
            _HASHER.verify(kept or _of_nobody(), _bytes(password[: LONGEST + 1]))
        except (VerificationError, InvalidHashError):
            return False
    return kept is not None and len(password) <= LONGEST


def is_outdated(kept: str) -> bool:
    return _HASHER.check_needs_rehash(kept)


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=LONGEST_WAIT):
        raise LoginRefusedError("Many people are logging in. Try again in a minute.")
    try:
        yield
    finally:
        _turns.release()


@cache
def _of_nobody() -> str:
    return _HASHER.hash(b"the password of nobody")


def _bytes(password: str) -> bytes:
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
