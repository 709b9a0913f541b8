"""The time between SIGTERM and the end."""

import threading
import time

from worker.process.shutdown import Drain


def test_chunks_are_dropped_before_the_grace_time_is_over() -> None:
    overdue = threading.Event()
    drain = Drain(0.4, on_overdue=overdue.set)
    drain.begin()
    drain.begin()
    assert drain.begun.is_set()
    assert not drain.dropping.is_set()
    assert drain.dropping.wait(5)
    assert not overdue.is_set()
    assert overdue.wait(5)


def test_a_process_that_ends_in_time_is_not_overdue() -> None:
    overdue = threading.Event()
    drain = Drain(0.2, on_overdue=overdue.set)
    drain.begin()
    drain.end()
    time.sleep(0.3)
    assert not overdue.is_set()
    assert not drain.dropping.is_set()
