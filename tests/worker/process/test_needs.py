"""What a worker needs is checked again and again."""

import pytest
from sqlalchemy import Engine, create_engine
from structlog.testing import capture_logs

from common.errors import ApiError
from worker.ledger.roster import live_workers
from worker.process import needs
from worker.process.needs import Need, Needs


class Key:
    """A key that is refused, until it is not."""

    def __init__(self) -> None:
        self.refused = True
        self.checks = 0

    def check(self) -> None:
        self.checks += 1
        if self.refused:
            raise ApiError("The key is refused.")


def needs_of(engine: Engine, key: Key) -> Needs:
    wanted = [Need(name="key", check=key.check, seconds=60)]
    return Needs(engine, wanted, name="host:1", idle_seconds=lambda: None)


def test_before_its_needs_are_checked_a_worker_is_starting(engine: Engine) -> None:
    assert list(needs_of(engine, Key()).problems) == ["it is starting"]


def test_a_problem_is_logged_once_told_to_the_store_and_looked_at_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "AGAIN_SECONDS", 0.0)
    key = Key()
    checked = needs_of(engine, key)
    with capture_logs() as logs:
        checked.run_once()
        checked.run_once()
        assert list(checked.problems) == ["The key is refused"]
        (worker,) = live_workers(engine)
        assert [each.what for each in worker.problems] == ["The key is refused"]
        key.refused = False
        checked.run_once()
        checked.run_once()
    assert key.checks == 3  # a key that works is not asked for again at once
    events = [entry["event"] for entry in logs]
    assert events == [
        "this worker is not ready",
        "a problem of this worker is over",
        "worker ready",
    ]
    assert checked.problems == {}
    assert live_workers(engine)[0].problems == []


def test_a_worker_that_ends_leaves_the_store(engine: Engine) -> None:
    checked = needs_of(engine, Key())
    checked.run_once()
    checked.stop()
    assert live_workers(engine) == []


def test_a_database_that_is_away_is_a_problem_too() -> None:
    nowhere = create_engine("postgresql+psycopg2://postgres@127.0.0.1:1/none")
    checked = needs_of(nowhere, Key())
    with capture_logs():
        checked.run_once()
    assert "the database is away" in checked.problems
    checked.stop()
