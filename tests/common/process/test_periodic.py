"""Periodic threads: when they run, and what does not end them."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from psycopg2.errors import LockNotAvailable
from sqlalchemy.exc import InterfaceError, OperationalError
from structlog.testing import capture_logs

from common.process.periodic import PeriodicThread

LONG = 3600.0  # seconds: only a wake ends it
SHORT = 0.001
PATIENT = 60.0


class Counting(PeriodicThread):
    """Puts a number in a queue with each call, after what the test makes it do."""

    def __init__(self, act: Callable[[int], None] = lambda _: None, **options: object) -> None:
        super().__init__("counting", **options)  # type: ignore[arg-type]
        self.calls: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._act = act
        self._count = 0

    def run_once(self) -> None:
        self._count += 1
        self.calls.put(self._count)
        self._act(self._count)

    def wait_for_call(self, number: int) -> None:
        while self.calls.get(timeout=PATIENT) < number:
            pass


@contextmanager
def running(thread: Counting) -> Iterator[Counting]:
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


def test_it_runs_again_and_again() -> None:
    with running(Counting(interval=SHORT)) as thread:
        thread.wait_for_call(3)
    assert not thread.is_alive()


def test_the_first_call_comes_at_once_where_that_is_asked_for() -> None:
    with running(Counting(interval=LONG, at_once=True)) as thread:
        thread.wait_for_call(1)


def test_a_wake_ends_the_wait_and_a_stop_calls_no_more() -> None:
    with running(Counting(interval=LONG)) as thread:
        thread.wake()
        thread.wait_for_call(1)
    assert thread.calls.empty()


def test_stopping_waits_for_the_call_under_way() -> None:
    begun, released = threading.Event(), threading.Event()

    def act(_: int) -> None:
        begun.set()
        assert released.wait(PATIENT)

    thread = Counting(act, interval=LONG, at_once=True)
    thread.start()
    assert begun.wait(PATIENT)
    stopping = threading.Thread(target=thread.stop)
    stopping.start()
    assert thread.stopping.wait(PATIENT)
    assert stopping.is_alive()
    released.set()
    stopping.join()


def test_an_error_is_logged_and_ends_nothing() -> None:
    def act(number: int) -> None:
        if number == 1:
            raise ValueError("no such luck")

    with capture_logs() as logs, running(Counting(act, interval=SHORT)) as thread:
        thread.wait_for_call(2)
    assert [entry["log_level"] for entry in logs] == ["error"]


def test_that_the_database_is_away_is_said_once_until_it_is_back() -> None:
    def act(number: int) -> None:
        if number in (1, 2, 4):
            raise (OperationalError if number == 1 else InterfaceError)("", None, ValueError())

    with capture_logs() as logs, running(Counting(act, interval=SHORT)) as thread:
        thread.wait_for_call(5)
    assert [entry["log_level"] for entry in logs] == ["warning", "warning"]
    assert "the database is away" in logs[0]["event"]


class _Refused(LockNotAvailable):
    pgcode = "55P03"  # else known only of errors that came from a server


def test_that_a_lock_is_held_is_not_called_away() -> None:
    def act(number: int) -> None:
        if number == 1:
            raise OperationalError("", None, _Refused())

    with capture_logs() as logs, running(Counting(act, interval=SHORT)) as thread:
        thread.wait_for_call(2)
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "holds a lock" in logs[0]["event"]
    assert "away" not in logs[0]["event"]


class Impatient(Counting):
    stalled_after = 0.05


def test_it_knows_when_it_last_did_its_work() -> None:
    thread = Impatient(interval=SHORT)
    assert thread.seconds_since_run == 0
    with running(thread):
        thread.wait_for_call(2)
        assert thread.seconds_since_run < PATIENT
        assert not Counting(interval=SHORT).is_stalled


def test_a_call_that_does_not_end_stalls_it() -> None:
    released = threading.Event()
    with running(Impatient(lambda _: _wait(released), interval=SHORT)) as thread:
        wait_until_stalled(thread)
        released.set()
        deadline = time.monotonic() + PATIENT
        while thread.is_stalled:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("error", [ValueError(), OperationalError("", None, _Refused())])
def test_calls_that_fail_stall_it(error: Exception) -> None:
    def act(_: int) -> None:
        raise error

    with capture_logs(), running(Impatient(act, interval=SHORT)) as thread:
        wait_until_stalled(thread)


def test_a_database_that_is_away_does_not_stall_it() -> None:
    def act(_: int) -> None:
        raise OperationalError("", None, ValueError())

    with capture_logs(), running(Counting(act, interval=SHORT)) as thread:
        thread.wait_for_call(2)
        thread._ran_at = time.monotonic() - 2 * thread.stalled_after
        thread.wait_for_call(4)
        assert thread.seconds_since_run > thread.stalled_after
        assert not thread.is_stalled


def wait_until_stalled(thread: PeriodicThread) -> None:
    deadline = time.monotonic() + PATIENT
    while not thread.is_stalled:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _wait(released: threading.Event) -> None:
    assert released.wait(PATIENT)
