import pytest
from sqlalchemy import Engine, text

from common.store.tables.jobs import ALIVE_SECONDS
from worker.ledger.roster import WorkerProblem, WorkerState, leave, live_workers, tell


def test_a_worker_is_alive_from_its_first_word_until_it_leaves(engine: Engine) -> None:
    assert live_workers(engine) == []
    tell(engine, WorkerState(name="host:1"))
    tell(engine, WorkerState(name="host:1", idle_seconds=40.0))
    (alive,) = live_workers(engine)
    assert (alive.name, alive.problems) == ("host:1", [])
    assert alive.idle_seconds == pytest.approx(40, abs=5)
    leave(engine, "host:1")
    assert live_workers(engine) == []


def test_a_worker_says_what_it_computes_on_and_where_float16_was_refused(engine: Engine) -> None:
    with engine.begin() as connection:  # as the release before does
        connection.execute(text("INSERT INTO worker_process (name) VALUES ('host:1')"))
    (alive,) = live_workers(engine)
    assert (alive.device, alive.in_float32) == ("", [])
    leave(engine, "host:1")
    for refused in ((), ("vases v1",)):
        tell(engine, WorkerState(name="host:1", device="cuda:1", in_float32=refused))
    (alive,) = live_workers(engine)
    assert (alive.device, alive.in_float32) == ("cuda:1", ["vases v1"])


def test_problems_are_told_with_their_time(engine: Engine) -> None:
    refused = WorkerProblem(what="the key is refused", seconds=90.0)
    tell(engine, WorkerState(name="host:1", problems=(refused,)))
    (alive,) = live_workers(engine)
    (problem,) = alive.problems
    assert problem.what == "the key is refused"
    assert problem.seconds == pytest.approx(90, abs=5)
    assert problem.since < alive.started_at


def test_a_worker_that_was_killed_is_not_alive_for_long_and_then_forgotten(engine: Engine) -> None:
    tell(engine, WorkerState(name="host:1"))
    with engine.begin() as connection:
        silent = text("UPDATE worker_process SET seen_at = now() - make_interval(secs => :seconds)")
        connection.execute(silent, {"seconds": ALIVE_SECONDS + 1})
    assert live_workers(engine) == []
    with engine.begin() as connection:
        connection.execute(text("UPDATE worker_process SET seen_at = now() - interval '2 days'"))
    tell(engine, WorkerState(name="host:2"))
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT name FROM worker_process")).scalars()
        assert list(kept) == ["host:2"]
