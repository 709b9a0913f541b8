"""Passwords and what is kept of them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher

from common.errors import LoginRefusedError, UsageError
from desk.access import passwords
from desk.access.passwords import (
    AT_A_TIME,
    LONGEST,
    check_password,
    hash_password,
    is_outdated,
    is_password,
)

GOOD = "correct horse battery"


def test_a_password_is_known_by_its_hash_alone() -> None:
    kept = hash_password(GOOD)
    assert kept.startswith("$argon2id$")
    assert GOOD not in kept
    assert kept != hash_password(GOOD)
    assert is_password(GOOD, kept)
    assert not is_password(f"{GOOD} ", kept)
    assert not is_password("", kept)
    assert not is_password(GOOD, None)
    assert not is_password("the password of nobody", None)
    assert not is_password(GOOD, "no hash")


@pytest.mark.parametrize("bad", ["", "eleven sign", "a" * (LONGEST + 1)])
def test_too_short_and_too_long_ones_are_refused(bad: str) -> None:
    with pytest.raises(UsageError, match="12 to 200"):
        hash_password(bad)
    check_password("a" * LONGEST)


def test_a_password_of_megabytes_is_not_one_and_costs_no_more() -> None:
    kept = hash_password("a" * LONGEST)
    assert is_password("a" * LONGEST, kept)
    assert not is_password("a" * (1 << 24), kept)


def test_signs_that_look_the_same_are_the_same() -> None:
    kept = hash_password("caf\u00e9 in Plovdiv")
    assert is_password("cafe\u0301 in Plovdiv", kept)
    assert not is_password("cafe in Plovdiv", kept)
    assert is_password("\ud800 half of a sign", hash_password("\ud800 half of a sign"))


def test_a_hash_of_other_parameters_is_outdated() -> None:
    assert is_outdated(PasswordHasher(time_cost=1, memory_cost=1024).hash(GOOD))
    assert not is_outdated(hash_password(GOOD))


def test_ten_logins_at_once_hash_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, most, lock = 0, 0, threading.Lock()

    class Counting(PasswordHasher):
        def verify(self, *_: object) -> bool:  # type: ignore[override]  # counts only
            nonlocal at_work, most
            with lock:
                at_work += 1
                most = max(most, at_work)
            time.sleep(0.01)
            with lock:
                at_work -= 1
            return True

    monkeypatch.setattr(passwords, "_HASHER", Counting())
    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(lambda _: is_password(GOOD, "kept"), range(10)))
    assert 1 <= most <= AT_A_TIME


def test_who_waits_too_long_for_a_turn_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "LONGEST_WAIT", 0.01)
    monkeypatch.setattr(passwords, "_turns", threading.BoundedSemaphore(1))
    with passwords._turn(), pytest.raises(LoginRefusedError, match="Try again in a minute"):
        is_password(GOOD, None)
    assert not is_password(GOOD, None)
