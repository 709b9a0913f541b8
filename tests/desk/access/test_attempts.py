"""The limits of logins that fail."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from common.errors import TooManyLoginsError
from common.store.decisions import standing_blocks
from common.store.session import TimeLimits, open_store
from common.store.signals import AdvisoryLock
from desk.access import attempts
from desk.access.attempts import (
    FOR_ADDRESS,
    FOR_KNOWN_BROWSER,
    FOR_NAME,
    FOR_NAME_FROM_ADDRESS,
    Attempt,
    begin_attempt,
    forget_attempts,
    network_of,
    strike_out,
)

HERE = "192.0.2.1"


def fail(
    engine: Engine, name: str | None = "anna", address: str = HERE, browser: str | None = None
) -> int:
    """Fail until it is refused, a hundred times at most; returns how often it was not."""
    for count in range(100):
        try:
            begin_attempt(engine, name=name, address=address, browser=browser)
        except TooManyLoginsError:
            return count
    return 100


def rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM login_attempt")) or 0)


def grow_old(engine: Engine, minutes: float) -> None:
    with engine.begin() as connection:
        statement = text("UPDATE login_attempt SET at = at - make_interval(secs => :seconds)")
        connection.execute(statement, {"seconds": minutes * 60})


def test_a_name_may_fail_five_times_from_an_address(engine: Engine) -> None:
    assert fail(engine) == FOR_NAME_FROM_ADDRESS
    assert fail(engine, "ANNA") == 0
    assert fail(engine, "boris") == FOR_NAME_FROM_ADDRESS
    with pytest.raises(TooManyLoginsError, match="Wait 15 minutes. Then try again") as refused:
        begin_attempt(engine, name="anna", address=HERE, browser=None)
    assert 800 < refused.value.seconds <= 900


def test_the_time_to_wait_is_until_the_first_failure_is_old(engine: Engine) -> None:
    begin_attempt(engine, name="anna", address=HERE, browser=None)
    grow_old(engine, 14.5)
    assert fail(engine) == FOR_NAME_FROM_ADDRESS - 1
    with pytest.raises(TooManyLoginsError, match=r"Wait 1 minute\.") as refused:
        begin_attempt(engine, name="anna", address=HERE, browser=None)
    assert refused.value.seconds <= 30
    grow_old(engine, 0.6)
    assert fail(engine) == 1


def test_what_is_refused_makes_the_wait_no_longer_and_the_table_no_larger(engine: Engine) -> None:
    fail(engine)
    before = rows(engine)
    assert [fail(engine) for _ in range(20)] == [0] * 20
    assert rows(engine) == before
    grow_old(engine, 15.1)
    assert fail(engine) == FOR_NAME_FROM_ADDRESS
    assert rows(engine) == before


def test_an_address_may_fail_twenty_times_whatever_the_names(engine: Engine) -> None:
    failed = [fail(engine, f"name {number}") for number in range(10)]
    assert sum(failed) == FOR_ADDRESS
    assert fail(engine, "somebody", "192.0.2.2") == FOR_NAME_FROM_ADDRESS


def test_passwords_and_the_identity_provider_lock_each_other_out_nowhere(engine: Engine) -> None:
    failed = [fail(engine, f"name {number}") for number in range(10)]
    assert sum(failed) == FOR_ADDRESS
    assert fail(engine, None) == FOR_ADDRESS
    assert fail(engine, None, "192.0.2.2") == FOR_ADDRESS
    assert fail(engine, "anna", "192.0.2.2") == FOR_NAME_FROM_ADDRESS


def test_a_name_may_fail_fifty_times_from_all_addresses(engine: Engine) -> None:
    failed = [fail(engine, "anna", f"192.0.2.{number}") for number in range(20)]
    assert sum(failed) == FOR_NAME


def test_nobody_elsewhere_can_lock_a_known_browser_out(engine: Engine) -> None:
    for number in range(20):
        fail(engine, "anna", f"192.0.2.{number}")
    assert fail(engine, browser="of anna") == FOR_KNOWN_BROWSER
    assert fail(engine, browser="also of anna") == FOR_KNOWN_BROWSER


def test_all_together_have_a_limit_and_so_has_the_table(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "IN_ALL", 30)
    failed = [fail(engine, f"name {number}", f"192.0.2.{number}") for number in range(10)]
    assert sum(failed) == 30
    assert rows(engine) <= 4 * 30
    assert fail(engine, browser="known") == FOR_KNOWN_BROWSER


def test_twenty_at_once_count_as_twenty(engine: Engine) -> None:
    def attempt(_: int) -> bool:
        try:
            begin_attempt(engine, name="anna", address=HERE, browser=None)
        except TooManyLoginsError:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(attempt, range(20))) == FOR_NAME_FROM_ADDRESS


def test_a_right_one_clears_its_name_and_not_its_address(engine: Engine) -> None:
    for number in range(4):
        fail(engine, f"name {number}")
    assert fail(engine, "name 5") == 0
    grow_old(engine, 15.1)
    for number in range(3):
        fail(engine, f"name {number}")
    right = begin_attempt(engine, name="name 1", address="192.0.2.7", browser=None)
    with engine.begin() as connection:
        strike_out(connection, right)
    assert fail(engine, "name 1", "192.0.2.7") == FOR_NAME_FROM_ADDRESS
    assert fail(engine, "name 1") == FOR_ADDRESS - 15


def test_right_ones_of_a_name_at_once_do_not_wait_for_each_other_for_ever(engine: Engine) -> None:
    def succeed(_: int) -> None:
        for _ in range(5):
            attempt = begin_attempt(engine, name="anna", address=HERE, browser=None)
            with engine.begin() as connection:
                strike_out(connection, attempt)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(succeed, range(4)))
    assert rows(engine) == 0


def test_no_name_is_kept_and_one_can_be_forgotten(engine: Engine) -> None:
    fail(engine, "a password typed in the wrong field")
    with engine.begin() as connection:
        kept = " ".join(connection.scalars(text("SELECT subject FROM login_attempt")))
        forget_attempts(connection, "a password typed in the wrong field")
        left = set(connection.scalars(text("SELECT subject FROM login_attempt")))
    assert "password" not in kept
    assert left == {"all", f"address:{HERE}"}


def test_odd_names_are_counted_like_others(engine: Engine) -> None:
    for name in ("", "\0", "\ud800", "x" * 1_000_000, "%", "_"):
        begin_attempt(engine, name=name, address=HERE, browser=None)
    attempt = begin_attempt(engine, name="%", address=HERE, browser=None)
    assert isinstance(attempt, Attempt)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2ff:1:2:3:4", "2001:db8:1:200::/56"),
        ("2001:db8:1:201::9", "2001:db8:1:200::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("", "unknown"),
        ("a\nb", "unknown"),
    ],
)
def test_an_address_stands_for_its_customer(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_login_does_not_wait_for_what_settles_chunks(engine: Engine) -> None:
    with engine.begin() as settling:
        standing_blocks(settling, hold=True)
        assert fail_soon() == FOR_NAME_FROM_ADDRESS


def test_what_is_refused_waits_for_nobody(engine: Engine) -> None:
    fail(engine)
    with engine.begin() as other:
        other.execute(text(AdvisoryLock.LOGIN_ATTEMPTS.take))
        assert fail_soon() == 0


def fail_soon() -> int:
    """As `fail`, by a store that waits for no lock."""
    impatient = open_store(limits=TimeLimits(lock=0.05))
    try:
        return fail(impatient)
    finally:
        impatient.dispose()
