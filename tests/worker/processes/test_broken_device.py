"""A device that breaks ends its worker, and is not held against the records."""

import json
import sys

import pytest
from sqlalchemy import Engine, text

from deploy.sandbox.server import Sandbox
from tests.worker.processes.running import FILES_FIRST, chunk_states, worker
from worker import jobs
from worker.process.lease_keeper import EXIT_BROKEN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

BREAKING = (sys.executable, "-m", "tests.worker.processes.breaking", "20")


def test_the_worker_ends_and_its_records_are_blameless(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    ids = [item.id for item in sandbox.catalogue.items[:300]]
    job_id = jobs.enqueue(engine, ids, FILES_FIRST).job_id
    several = {"WORKER_CHUNKS_IN_FLIGHT": "2", "WORKER_LEASE_SECONDS": "120"}
    with worker(environment | several, BREAKING) as broken:
        assert broken.wait(timeout=120) == EXIT_BROKEN
        assert broken.stderr is not None
        log = broken.stderr.read().decode()
    failed = [json.loads(line) for line in log.splitlines() if "the runtime failed" in line]
    assert failed
    assert {line["job"] for line in failed} == {str(job_id)}
    assert {line["chunk"] for line in failed} <= {1, 2}
    assert "the device failed; the worker gives its chunks back and ends" in log
    assert "torch-cpu failed: RuntimeError: CUDA error: an illegal memory access" in log
    assert chunk_states(engine, job_id) == {"ready": 2}
    with engine.connect() as connection:
        attempts = connection.execute(text("SELECT DISTINCT attempt FROM job_chunk"))
        assert attempts.scalars().all() == [0]


def test_a_chunk_that_the_device_fails_at_three_times_is_blamed(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    ids = [item.id for item in sandbox.catalogue.items[:20]]
    jobs.enqueue(engine, ids, FILES_FIRST)
    failing = (*BREAKING[:-1], "0")
    attempts = []
    for _ in range(3):
        with worker(environment | {"WORKER_LEASE_SECONDS": "120"}, failing) as broken:
            assert broken.wait(timeout=120) == EXIT_BROKEN
        with engine.connect() as connection:
            attempts.append(connection.scalar(text("SELECT attempt FROM job_chunk")))
    assert attempts == [0, 0, 1]
