"""How many connections to Postgres a worker process opens (docs/how-to/connections.md)."""

import time
from contextlib import closing
from uuid import UUID

import psycopg2
import pytest
from sqlalchemy import Engine

from common.process.settings.worker import WorkerSettings
from deploy.sandbox.server import Sandbox
from tests.worker.processes.running import FILES_FIRST, TIMEOUT, worker
from worker import jobs
from worker.ledger import cutting

PLACES = 2
WATCHED = """
    SELECT (SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'image-enrichment'),
           (SELECT state FROM job WHERE id = %s)
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * TIMEOUT)]


def test_a_worker_opens_no_more_connections_than_it_says(
    engine: Engine,
    database_url: str,
    sandbox: Sandbox,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its chunks are small and many, and some hosts are dead, so that records are put off."""
    monkeypatch.setattr(cutting, "CHUNK_SIZE", 10)
    ids = [item.id for item in sandbox.catalogue.items]
    job_id = jobs.enqueue(engine, ids, FILES_FIRST).job_id
    engine.dispose()  # its connections have the same name
    with worker(environment | {"WORKER_CHUNKS_IN_FLIGHT": str(PLACES)}):
        most = most_connections(database_url, job_id)
    settings = WorkerSettings.model_construct(worker_chunks_in_flight=PLACES)
    assert 1 <= most <= settings.store_connections


def most_connections(database_url: str, job_id: UUID) -> int:
    """The largest number that the worker had until the job was done."""
    most = 0
    deadline = time.monotonic() + TIMEOUT
    with closing(psycopg2.connect(database_url.replace("+psycopg2", ""))) as watching:
        watching.autocommit = True
        cursor = watching.cursor()
        state = None
        while state != "done":
            assert time.monotonic() < deadline, "waited too long"
            cursor.execute(WATCHED, (str(job_id),))
            count, state = cursor.fetchone() or (0, None)
            most = max(most, count)
            time.sleep(0.005)
    return most
