"""A worker hears in Postgres that there may be work."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import pytest
from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from common.store.signals import wake_workers
from tests.waiting import wait_for
from worker.process import listening
from worker.process.listening import Listener

PATIENCE = 60.0  # seconds, of a busy machine
_OTHERS = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'LISTEN%'
""")


@contextmanager
def listening_on(engine: Engine, woken: Event) -> Iterator[Listener]:
    listener = Listener(engine, woken.set)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


def wake(engine: Engine) -> None:
    with engine.begin() as connection:
        wake_workers(connection)


def test_each_wake_up_is_heard_once_it_is_committed(engine: Engine) -> None:
    woken = Event()
    with listening_on(engine, woken):
        assert woken.wait(PATIENCE)  # as it begins, for what was said before
        for _ in range(3):
            woken.clear()
            with engine.begin() as connection:
                wake_workers(connection)
                assert not woken.wait(0.1)
            assert woken.wait(PATIENCE)


def test_a_lost_connection_is_made_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "SHORTEST_DELAY", 0.1)
    woken = Event()
    with listening_on(engine, woken), capture_logs() as logs:
        assert woken.wait(PATIENCE)
        woken.clear()
        with engine.begin() as connection:
            assert connection.execute(_OTHERS).scalars().all() == [True]
        assert woken.wait(PATIENCE)  # as it begins again
        woken.clear()
        wake(engine)
        assert woken.wait(PATIENCE)
    assert [entry["event"] for entry in logs] == ["the database is away; the program tries again"]


def test_behind_a_pooler_that_lends_sessions_nobody_listens(pooled: Engine) -> None:
    with capture_logs() as logs, listening_on(pooled, Event()) as listener:
        wait_for(lambda: not listener.is_alive())
    assert ["leads to a pooler" in entry["event"] for entry in logs] == [True]
    assert not listener.has_died
