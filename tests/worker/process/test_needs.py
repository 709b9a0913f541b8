"""What a worker needs is checked again and again."""

from functools import partial

import pytest
from sqlalchemy import Engine, create_engine
from structlog.testing import capture_logs

from common.errors import ApiError
from worker.ledger.roster import WorkerState, live_workers
from worker.process import needs
from worker.process.health import Presence
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


def needs_of(key: Key) -> Needs:
    return Needs([Need(name="key", check=key.check, seconds=60)])


def whats(needs: Needs) -> list[str]:
    return [problem.what for problem in needs.problems]


def presence(engine: Engine, needs: Needs) -> Presence:
    known = partial(WorkerState, name="host:1", device="cuda:1", in_float32=("vases v1",))
    return Presence(engine, lambda: known(problems=needs.problems))


def test_before_its_needs_are_checked_a_worker_is_starting() -> None:
    assert whats(needs_of(Key())) == ["it is starting"]


def test_a_problem_is_logged_once_and_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "AGAIN_SECONDS", 0.0)
    key = Key()
    checked = needs_of(key)
    with capture_logs() as logs:
        checked.run_once()
        checked.run_once()
        assert whats(checked) == ["The key is refused"]
        key.refused = False
        checked.run_once()
        checked.run_once()
    assert key.checks == 3  # a key that works is not asked for again at once
    events = [entry["event"] for entry in logs]
    assert events == [
        "this worker is not ready",
        "a problem of this worker has ended",
        "worker ready",
    ]
    assert whats(checked) == []


def test_a_worker_that_misses_its_broker_is_starting_until_all_is_checked() -> None:
    told: list[list[str]] = []
    broker = Need(name="broker", check=Key().check, seconds=60, stops=False)
    slow = Need(name="models", check=lambda: told.append(whats(checked)), seconds=60)
    checked = Needs([broker, slow])
    checked.run_once()
    assert told == [["The key is refused", "it is starting"]]
    assert whats(checked) == ["The key is refused"]


def test_the_store_knows_a_worker_and_its_problems_until_it_ends(engine: Engine) -> None:
    checked = needs_of(Key())
    checked.run_once()
    told = presence(engine, checked)
    told.run_once()
    (worker,) = live_workers(engine)
    assert [each.what for each in worker.problems] == ["The key is refused"]
    assert (worker.device, worker.in_float32) == ("cuda:1", ["vases v1"])
    assert not worker.works
    told.stop()
    assert live_workers(engine) == []


def test_what_does_not_stop_a_worker_is_told_as_such(engine: Engine) -> None:
    checked = Needs([Need(name="broker", check=Key().check, seconds=60, stops=False)])
    with capture_logs() as logs:
        checked.run_once()
    assert [entry["event"] for entry in logs] == [
        "this worker has a problem, but continues to work",
        "worker ready",
    ]
    presence(engine, checked).run_once()
    (worker,) = live_workers(engine)
    assert worker.works
    assert len(worker.problems) == 1


def test_a_database_that_is_away_is_a_problem_too() -> None:
    nowhere = create_engine("postgresql+psycopg2://postgres@127.0.0.1:1/none")
    checked = Needs([Need(name="database", check=lambda: nowhere.connect().close(), seconds=5)])
    checked.run_once()
    assert whats(checked) == ["the database is away"]
    with capture_logs() as logs:
        presence(nowhere, checked).stop()
    assert "shows this worker as alive for a few more seconds" in logs[0]["event"]
