"""Whatever makes work claimable wakes idle workers, when it is committed."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from sqlalchemy import Engine, text

from common.store.signals import CHANNEL
from tests.worker.ledger_rows import claim, finish
from worker import jobs
from worker.ledger import chunks
from worker.ledger.sweep import sweep

Wakes = Callable[[], bool]


@pytest.fixture
def wakes(engine: Engine) -> Iterator[Wakes]:
    """Whether anybody was woken since the last time."""
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    with closing(psycopg2.connect(url)) as session:
        session.autocommit = True
        session.cursor().execute(f"LISTEN {CHANNEL}")
        yield lambda: was_woken(session)


def was_woken(session: Any) -> bool:
    session.cursor().execute("SELECT 1")
    heard = bool(session.notifies)
    session.notifies.clear()
    return heard


@pytest.fixture
def job_id(engine: Engine, model_id: int, records: list[str], wakes: Wakes) -> UUID:
    job_id = jobs.enqueue(engine, records).job_id
    assert wakes()
    return job_id


def test_who_resumes_or_retries_wakes_workers(engine: Engine, job_id: UUID, wakes: Wakes) -> None:
    lease = claim(engine, job_id, 1)
    finish(engine, lease, failed={lease.record_ids[0]: "not_found"})
    jobs.pause(engine, job_id)
    assert not wakes()
    jobs.resume(engine, job_id)
    assert wakes()
    jobs.retry(engine, job_id)
    assert wakes()


def test_a_chunk_that_comes_back_wakes_workers(engine: Engine, job_id: UUID, wakes: Wakes) -> None:
    chunks.give_back(engine, claim(engine, job_id, 1), blameless=True, delay_seconds=60)
    assert not wakes()
    chunks.give_back(engine, claim(engine, job_id, 2), blameless=True)
    assert wakes()
    claim(engine, job_id, 3)
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_chunk SET lease_until = now() WHERE number = 3"))
    sweep(engine)
    assert wakes()


def test_records_that_are_due_at_once_wake_workers(
    engine: Engine, job_id: UUID, wakes: Wakes
) -> None:
    lease = claim(engine, job_id, 1)
    with engine.begin() as connection:
        chunks.lock(connection, lease)
        chunks.put_off(connection, lease, ["/1/r1"], delay_seconds=0, counted=False)
    assert wakes()
