"""What an operator says to a job, heard by a worker that is busy with it."""

import time
from uuid import UUID

import pytest
from sqlalchemy import Engine

from deploy.sandbox.server import Sandbox
from tests.waiting import wait_for
from tests.worker.processes.running import (
    FILES_FIRST,
    TIMEOUT,
    chunk_states,
    wait_until_done,
    worker,
)
from worker import jobs
from worker.ledger import cutting

# Sixteen seconds a chunk, and leases as they are outside of tests.
SLOW = {"FETCH_REQUESTS_PER_SECOND": "2", "WORKER_LEASE_SECONDS": "120"}

pytestmark = pytest.mark.timeout(4 * TIMEOUT)


def in_work(engine: Engine, job_id: UUID) -> bool:
    return "leased" in chunk_states(engine, job_id)


def test_a_cancelled_job_is_dropped_within_five_seconds(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    ids = [item.id for item in sandbox.catalogue.items]
    job_id = jobs.enqueue(engine, ids, FILES_FIRST).job_id
    with worker(environment | SLOW):
        wait_for(lambda: in_work(engine, job_id))
        jobs.cancel(engine, job_id)
        cancelled_at = time.monotonic()
        next_job = jobs.enqueue(engine, ids[:3], FILES_FIRST).job_id
        wait_for(lambda: not in_work(engine, job_id))
        assert time.monotonic() - cancelled_at < 5
        wait_until_done(engine, next_job)
    assert jobs.status(engine, job_id).settled == 0


def test_an_urgent_job_overtakes_a_bulk_job_in_work(
    engine: Engine,
    sandbox: Sandbox,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The chunk in work is finished first, and another one may have been taken just before."""
    monkeypatch.setattr(cutting, "CHUNK_SIZE", 10)
    ids = [item.id for item in sandbox.catalogue.items]
    bulk = jobs.enqueue(engine, ids, FILES_FIRST).job_id
    with worker(environment | {"FETCH_REQUESTS_PER_SECOND": "5"}):
        wait_for(lambda: jobs.status(engine, bulk).settled > 0)
        begun = chunks_begun(engine, bulk)
        options = jobs.JobOptions(priority="urgent")
        wait_until_done(engine, jobs.enqueue(engine, ids[:5], options).job_id)
        assert chunks_begun(engine, bulk) - begun <= 2
        jobs.cancel(engine, bulk)


def chunks_begun(engine: Engine, job_id: UUID) -> int:
    states = chunk_states(engine, job_id)
    return sum(states.values()) - states["ready"]


def test_a_paused_job_goes_on_where_it_was(
    engine: Engine,
    sandbox: Sandbox,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cutting, "CHUNK_SIZE", 32)
    job_id = jobs.enqueue(engine, [item.id for item in sandbox.catalogue.items[:96]]).job_id
    with worker(environment):
        wait_for(lambda: in_work(engine, job_id))
        jobs.pause(engine, job_id)
        wait_for(lambda: not in_work(engine, job_id))
        settled = jobs.status(engine, job_id).settled
        time.sleep(1)  # the worker asks five times
        assert jobs.status(engine, job_id).settled == settled
        assert jobs.status(engine, job_id).waiting > 0
        jobs.resume(engine, job_id)
        assert wait_until_done(engine, job_id).waiting == 0
