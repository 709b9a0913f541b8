"""One process that is stopped while it chooses does not stop all others, and is talked about."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from tests.worker.processes.running import wait_for
from worker import jobs, metrics
from worker.ledger import dispatch_lock
from worker.ledger.dispatch import Dispatcher, Hint

ROOT = Path(__file__).resolve().parents[3]
CHOOSE_AND_STOP = """
import os, signal
from common.store.session import TimeLimits, open_store
from worker.ledger import dispatch

with open_store(limits=TimeLimits(pause={pause})).begin() as connection:
    dispatch.choose(connection, hint_seconds=60)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def pause() -> float:
    """Seconds that the stopped process may pause."""
    return 600.0


@pytest.fixture
def stopped(database_url: str, pause: float) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that chose, and was stopped before it could commit."""
    program = CHOOSE_AND_STOP.format(pause=pause)
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) as process:
        try:
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def dispatcher(engine: Engine) -> tuple[Dispatcher, list[Hint]]:
    sent: list[Hint] = []
    return Dispatcher(engine, sent.append, interval=1, hint_seconds=60), sent


def gauge() -> float:
    return float(metrics.DISPATCH_HELD_UP._value.get())


@pytest.mark.parametrize("pause", [1.0])
@pytest.mark.usefixtures("model_id", "stopped")
def test_who_is_stopped_while_it_chooses_holds_others_up_for_a_while_only(engine: Engine) -> None:
    jobs.enqueue(engine, ["/1/a"])
    choosing, sent = dispatcher(engine)

    def has_chosen() -> bool:
        choosing.run_once()
        return bool(sent)

    wait_for(has_chosen)


@pytest.mark.usefixtures("stopped")
def test_who_holds_all_dispatchers_up_is_named_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_lock.slow_holder, "__kwdefaults__", {"held_too_long": 0.1})
    choosing, sent = dispatcher(engine)

    def is_told() -> bool:
        choosing.run_once()
        return choosing.held_up_by is not None

    with capture_logs() as logs:
        wait_for(is_told)
        choosing.run_once()
    assert sent == []
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "holds its lock and is idle in transaction" in logs[0]["event"]
    assert gauge() > 0


def test_a_short_wait_for_another_dispatcher_is_nothing_to_tell(engine: Engine) -> None:
    choosing, _ = dispatcher(engine)
    with engine.begin() as connection:
        assert dispatch_lock.take(connection)
        with capture_logs() as logs:
            choosing.run_once()
    assert logs == []
    assert choosing.held_up_by is None
    assert gauge() == 0
