"""The time limits of transactions: a process that is stopped in one holds nobody up for long."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from common.process.database_trouble import is_there
from common.store.session import LIMITS, LONGEST_PAUSE, TimeLimits, allow_pauses, open_store

ROOT = Path(__file__).resolve().parents[3]
SHORT = TimeLimits(lock=0.2, pause=0.5)
PATIENT = 60.0  # seconds
LOCK = text("SELECT pg_advisory_xact_lock(1)")
STOPPED = """
import os, signal
from sqlalchemy import text
from common.store.session import TimeLimits, open_store

with open_store(limits=TimeLimits(pause=2)).begin() as connection:
    connection.execute(text("SELECT pg_advisory_xact_lock(1)"))
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@contextmanager
def opened(**options: object) -> Iterator[Engine]:
    engine = open_store(**options)  # type: ignore[arg-type]
    try:
        yield engine
    finally:
        engine.dispose()


def seconds(connection: Connection, name: str) -> float:
    value = connection.execute(
        text("SELECT extract(epoch FROM CAST(current_setting(:name) AS interval))"), {"name": name}
    )
    return float(value.scalar_one())


@pytest.mark.usefixtures("database_url")
def test_every_transaction_has_the_limits_and_no_session_has() -> None:
    with opened(connections=1) as engine:
        for _ in range(2):
            with engine.begin() as connection:
                assert seconds(connection, "lock_timeout") == LIMITS.lock
                assert seconds(connection, "idle_in_transaction_session_timeout") == LIMITS.pause
        autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        with autocommit.connect() as connection:  # the same session, without a transaction
            assert seconds(connection, "lock_timeout") == 0
            assert seconds(connection, "idle_in_transaction_session_timeout") == 0
            options = connection.connection.driver_connection.info.dsn_parameters  # type: ignore[union-attr]
            assert not options.get("options")
            assert options["tcp_user_timeout"] == "30000"


@pytest.mark.usefixtures("database_url")
def test_a_lock_is_waited_for_until_the_limit_only() -> None:
    with opened(limits=SHORT) as engine, engine.begin() as holder:
        holder.execute(LOCK)
        with pytest.raises(OperationalError) as caught, engine.begin() as waiter:
            waiter.execute(LOCK)
    assert is_there(caught.value)


@pytest.mark.usefixtures("database_url")
def test_a_pause_past_the_limit_ends_the_transaction_and_not_the_engine() -> None:
    with opened(limits=SHORT) as engine:
        with engine.connect() as connection:
            connection.execute(LOCK)
            time.sleep(4 * SHORT.pause)
            with pytest.raises(OperationalError):
                connection.execute(LOCK)
        with engine.begin() as connection:
            connection.execute(LOCK)


@pytest.mark.usefixtures("database_url")
@pytest.mark.parametrize("options", [{}, {"yield_per": 10}])
def test_a_transaction_may_be_allowed_to_pause(options: dict[str, int]) -> None:
    with opened(limits=SHORT) as engine:
        with engine.connect().execution_options(**options) as connection:
            allow_pauses(connection)
            time.sleep(2 * SHORT.pause)
            limit = seconds(connection, "idle_in_transaction_session_timeout")
        assert limit == LONGEST_PAUSE


@pytest.mark.usefixtures("database_url")
def test_a_process_that_is_stopped_in_a_transaction_loses_its_lock() -> None:
    patient = opened(limits=TimeLimits(lock=PATIENT))
    with subprocess.Popen([sys.executable, "-c", STOPPED], cwd=ROOT) as stopped:
        try:
            _, status = os.waitpid(stopped.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            with patient as engine, engine.begin() as connection:
                connection.execute(LOCK)
        finally:
            stopped.send_signal(signal.SIGKILL)


@pytest.mark.usefixtures("database_url")
def test_no_more_connections_are_opened_than_asked_for() -> None:
    with opened(connections=2) as engine:
        engine.pool._timeout = 0.1  # type: ignore[attr-defined]
        with engine.connect(), engine.connect(), pytest.raises(NoConnectionError):
            engine.connect()
