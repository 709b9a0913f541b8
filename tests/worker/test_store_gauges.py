"""What the store knows, as Prometheus reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine, text

from tests.worker.ledger_rows import claim, finish
from worker import jobs, store_gauges
from worker.ledger import roster
from worker.ledger.roster import WorkerProblem, WorkerState
from worker.store_gauges import StoreGauges

ONE_MORE = "INSERT INTO host_lease VALUES (:host, 'p', 1, :pace, now(), now() + interval '1 h')"


@contextmanager
def registered(gauges: StoreGauges) -> Iterator[StoreGauges]:
    """As between its start and its end, without its thread."""
    REGISTRY.register(gauges)
    try:
        yield gauges
    finally:
        REGISTRY.unregister(gauges)


def served(engine: Engine) -> dict[str, float]:
    gauges = StoreGauges(engine)
    gauges.run_once()
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in gauges.collect()
        for sample in family.samples
    }


def execute(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


@pytest.fixture
def job_id(engine: Engine, model_id: int, records: list[str]) -> UUID:
    """Three chunks."""
    return jobs.enqueue(engine, records).job_id


def test_without_work_there_is_nothing_but_the_bytes(engine: Engine) -> None:
    found = served(engine)
    assert found.pop("store_bytes database") > 1_000_000
    assert set(found.values()) == {0.0}
    assert len(found) == 11


def test_work_is_due_or_in_work(engine: Engine, job_id: UUID) -> None:
    paused = jobs.enqueue(engine, [f"/2/{number}" for number in range(300)]).job_id
    jobs.pause(engine, paused)
    first, _ = (claim(engine, job_id, number) for number in (1, 2))
    finish(engine, first)
    found = served(engine)
    assert found["store_jobs_running"] == 1
    assert (found["store_chunks due"], found["store_chunks in_work"]) == (1, 1)
    assert found["store_records waiting"] == 600 - len(first.record_ids)
    assert found["store_records put_off"] == 0


def test_records_that_were_put_off_are_due_later(engine: Engine, job_id: UUID) -> None:
    execute(
        engine,
        "UPDATE job_chunk SET retries = 1, not_before = now() + interval '1 h' WHERE number = 1",
    )
    execute(
        engine,
        "UPDATE job_chunk SET retries = 1, not_before = now() - interval '1 h' WHERE number = 2",
    )
    found = served(engine)
    assert found["store_chunks due"] == 2
    assert found["store_records put_off"] > 400
    assert found["store_records waiting"] == 600


def test_the_time_since_a_chunk_was_settled_begins_with_the_job(
    engine: Engine, job_id: UUID
) -> None:
    execute(engine, "UPDATE job SET created_at = now() - interval '1 h'")
    assert served(engine)["store_seconds_since_settled"] == pytest.approx(3600, abs=30)
    finish(engine, claim(engine, job_id, 1))
    assert served(engine)["store_seconds_since_settled"] < 30


def test_workers_and_hosts_are_counted(engine: Engine) -> None:
    roster.tell(engine, WorkerState(name="a:1"))
    database = WorkerProblem(what="the database is away", seconds=3.0)
    roster.tell(engine, WorkerState(name="b:1", problems=(database,)))
    broker = WorkerProblem(what="the broker is away", seconds=3, stops=False)
    roster.tell(engine, WorkerState(name="c:1", problems=(broker,)))
    execute(engine, ONE_MORE, host="well.example", pace=1.0)
    execute(engine, ONE_MORE, host="slow.example", pace=0.5)
    found = served(engine)
    assert (found["store_workers alive"], found["store_workers ready"]) == (3, 2)
    assert (found["store_hosts asked"], found["store_hosts slowed"]) == (2, 1)


def test_an_answer_that_is_too_old_is_not_served(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gauges = StoreGauges(engine)
    with registered(gauges):
        assert REGISTRY.get_sample_value("store_jobs_running") is None
        gauges.run_once()
        assert REGISTRY.get_sample_value("store_jobs_running") == 0
        monkeypatch.setattr(store_gauges, "KNOWN_SECONDS", -1.0)
        assert REGISTRY.get_sample_value("store_jobs_running") is None


def test_its_thread_is_served_until_its_end(engine: Engine) -> None:
    gauges = StoreGauges(engine, interval=0.01)
    gauges.start()
    gauges.stop()
    with registered(gauges):
        assert REGISTRY.get_sample_value("store_jobs_running") == 0
