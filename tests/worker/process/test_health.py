"""`worker health`: what a container's probe is told."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from common.errors import EnrichmentError, UsageError
from worker.cli import app
from worker.ledger.roster import WorkerProblem, WorkerState
from worker.process.health import DEAD_AFTER, Heartbeat, check_alive


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


def heartbeat(path: Path | None, **known: Any) -> Heartbeat:
    state = WorkerState(name="host:1", **{"has_model": True} | known)
    return Heartbeat(path, lambda: state, interval=0.02)


def test_a_beating_heart_is_alive_until_it_stops(path: Path) -> None:
    beating = heartbeat(path)
    beating.start()
    while not path.exists():
        time.sleep(0.01)
    first = path.stat().st_mtime_ns
    deadline = time.monotonic() + 10
    while path.stat().st_mtime_ns == first:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    check_alive(path, ready=True)
    beating.stop()
    with pytest.raises(EnrichmentError, match="There is no file"):
        check_alive(path)


def test_a_worker_that_hangs_beats_no_more(path: Path) -> None:
    heartbeat(path).run_once()
    before = path.stat().st_mtime_ns
    heartbeat(path, hangs=True).run_once()
    assert path.stat().st_mtime_ns == before
    long_ago = time.time() - DEAD_AFTER - 1
    os.utime(path, (long_ago, long_ago))
    with pytest.raises(EnrichmentError, match="last heartbeat was 61 seconds ago"):
        check_alive(path)


def test_alive_is_not_ready(path: Path) -> None:
    heartbeat(path, has_model=False).run_once()
    check_alive(path)
    with pytest.raises(EnrichmentError, match="has not loaded a model"):
        check_alive(path, ready=True)


def test_a_thread_that_does_not_do_its_work_is_named(path: Path) -> None:
    beating = heartbeat(path, stalled={"sweeper": 61.0})
    with capture_logs() as logs:
        beating.run_once()
        beating.run_once()
    assert [(entry["log_level"], entry["thread"]) for entry in logs] == [("warning", "sweeper")]
    said = "stalled: the thread sweeper has not done its work for 61 seconds"
    with pytest.raises(EnrichmentError, match=said):
        check_alive(path)


def test_a_warning_needs_no_file() -> None:
    with capture_logs() as logs:
        heartbeat(None, stalled={"sweeper": 61.0}).run_once()
    assert [entry["thread"] for entry in logs] == ["sweeper"]


def test_the_file_of_another_release_is_no_heartbeat(path: Path) -> None:
    path.write_text("alive, model loaded\n")
    with pytest.raises(EnrichmentError, match="is not a heartbeat of a worker of this release"):
        check_alive(path)


def test_a_file_that_is_not_configured_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="WORKER_HEARTBEAT_FILE is not set"):
        check_alive(None)


def test_a_file_that_cannot_be_written_is_logged_and_does_not_end_the_heart() -> None:
    with capture_logs() as logs:
        heartbeat(Path("/proc/nowhere/heartbeat")).run_once()
    assert logs[0]["event"] == "the heartbeat file cannot be written"
    assert "cannot be written" in logs[0]["error"]


def test_the_exit_code_says_it(
    path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER_HEARTBEAT_FILE", str(path))
    run = CliRunner().invoke
    assert run(app, ["health"]).exit_code == 1
    heartbeat(path).run_once()
    assert run(app, ["health"]).exit_code == 0
    assert run(app, ["health", "--ready"]).exit_code == 0
    monkeypatch.setenv("DATABASE_URL", database_url.replace("@", "@nowhere.invalid:1") + "x")
    assert run(app, ["health"]).exit_code == 0
    assert run(app, ["health", "--ready"]).exit_code == 1
    monkeypatch.delenv("WORKER_HEARTBEAT_FILE")
    assert run(app, ["health"]).exit_code == 2


def test_what_keeps_a_worker_from_working_is_named(path: Path) -> None:
    problems = [
        WorkerProblem(what="the API key is refused", seconds=1),
        WorkerProblem(what="the broker is away", seconds=1, stops=False),
        WorkerProblem(what="the database is away", seconds=1),
    ]
    heartbeat(path, problems=problems).run_once()
    check_alive(path)
    said = "not ready: the API key is refused; the database is away"
    with pytest.raises(EnrichmentError, match=said):
        check_alive(path, ready=True)
