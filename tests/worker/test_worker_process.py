"""Real worker processes against a real store, broker and HTTP: nothing lost, nothing twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
import redis
import torch
from celery import Celery
from sqlalchemy import Engine, text

from common.vision.classifier import build_classifier
from common.vision.model import Description, save_bundle
from common.vision.preprocessing import Preprocessing
from deploy.local import Services
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox
from tests.worker.conftest import CONCEPTS
from worker import jobs
from worker.app import SUBMIT, SUBMIT_QUEUE

WORKER = str(Path(sys.executable).with_name("worker"))
PATIENCE = 90.0  # seconds; on a busy machine torch alone takes several to import
MAP, PAINTING = CONCEPTS

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    slow = Faults(hosts={"*": [Fault(kind="latency", seconds=0.02)]})
    with Sandbox(draw_collection(items=700), faults=slow) as running:
        yield running


@pytest.fixture
def active_model(engine: Engine, model_id: int, tmp_path: Path) -> int:
    """A classifier of drawn weights that calls everything a map and nothing a painting."""
    torch.manual_seed(0)
    description = Description(
        architecture="squeezenet1_1",
        labels=("map", "painting"),
        concept_uris=(MAP, PAINTING),
        preprocessing=Preprocessing(size=32),
        kind="single",
        temperature=1.0,
        thresholds={MAP: 0.0, PAINTING: None},
        picture_source="media",
        created_from={},
    )
    classifier = build_classifier("squeezenet1_1", classes=2, size=32)
    sha256 = save_bundle(tmp_path / "models" / "test-1", description, [classifier.state_dict()])
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET sha256 = :sha256"), {"sha256": sha256})
    return model_id


@pytest.fixture
def environment(
    sandbox: Sandbox, active_model: int, broker_url: str, tmp_path: Path
) -> dict[str, str]:
    return os.environ | {
        "EUROPEANA_API_URL": sandbox.url,
        "EUROPEANA_API_KEY": sandbox.key,
        "FETCH_ALLOW_ADDRESSES": "127.0.0.0/8",
        "FETCH_REQUESTS_PER_SECOND": "500",
        "FETCH_REQUESTS_AT_A_TIME": "8",
        "MODEL_DIR": str(tmp_path / "models"),
        "WORKER_CHUNKS_IN_FLIGHT": "1",
        "WORKER_DISPATCH_SECONDS": "0.2",
        "WORKER_HINT_SECONDS": "2",
        "WORKER_LEASE_SECONDS": "2",
        "WORKER_RETRY_DELAYS": "1",
        "OMP_NUM_THREADS": "1",
    }


@contextmanager
def worker(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process, which ends with the block, by SIGTERM if nothing ended it before."""
    with subprocess.Popen([WORKER, "run"], env=environment, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=30)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def wait_until_done(engine: Engine, job_id: UUID) -> jobs.Status:
    wait_for(lambda: jobs.status(engine, job_id).state == "done")
    return jobs.status(engine, job_id)


def outcomes(engine: Engine, job_id: UUID) -> tuple[set[str], dict[str, str]]:
    """The enriched records and the reasons of the failed ones, as the job's rows have them."""
    with engine.connect() as connection:
        asked = {"job_id": job_id}
        enriched = connection.execute(
            text("SELECT record_id FROM enrichment WHERE job_id = :job_id"), asked
        )
        failed = connection.execute(
            text("SELECT record_id, reason FROM job_failure WHERE job_id = :job_id"), asked
        )
        return set(enriched.scalars()), {row.record_id: row.reason for row in failed}


def test_every_record_comes_to_one_outcome(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    catalogue = sandbox.catalogue
    old_id, present_id = next(iter(catalogue.moved.items()))
    withdrawn = min(catalogue.deleted)
    ids = [item.id for item in catalogue.items[:60]]
    accepted = jobs.enqueue(engine, [*ids, old_id, withdrawn, "/91001/nobody_knows"])
    with worker(environment):
        status = wait_until_done(engine, accepted.job_id)
    enriched, failed = outcomes(engine, accepted.job_id)
    assert status.enriched + status.below_threshold + status.failed == 63
    assert status.failed == len(failed)
    assert status.enriched == len(enriched | {old_id}) - (present_id not in enriched)
    assert failed[withdrawn] == "deleted"
    assert failed["/91001/nobody_knows"] == "unknown_record"
    assert present_id in enriched
    assert old_id not in enriched


def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    ids = [item.id for item in sandbox.catalogue.items]
    undisturbed = jobs.enqueue(engine, ids).job_id
    with worker(environment):
        calm = wait_until_done(engine, undisturbed)
    expected = outcomes(engine, undisturbed)
    disturbed = jobs.enqueue(engine, ids).job_id
    with worker(environment) as victim:
        wait_for(lambda: 0 < jobs.status(engine, disturbed).settled < len(ids))
        victim.send_signal(signal.SIGKILL)
    interrupted = jobs.status(engine, disturbed)
    assert interrupted.state == "running"
    with worker(environment):
        status = wait_until_done(engine, disturbed)
    assert outcomes(engine, disturbed) == expected
    assert (status.enriched, status.failed) == (calm.enriched, calm.failed)
    assert status.waiting == 0


def test_a_worker_that_is_told_to_stop_gives_its_chunk_back(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    job_id = jobs.enqueue(engine, [item.id for item in sandbox.catalogue.items]).job_id
    with worker(environment) as stopped:
        wait_for(lambda: chunk_states(engine, job_id).get("leased", 0) == 1)
        stopped.terminate()
        assert stopped.wait(timeout=30) == 0
    assert "leased" not in chunk_states(engine, job_id)
    with engine.connect() as connection:
        attempts = text("SELECT max(attempt) FROM job_chunk WHERE state = 'ready'")
        assert connection.execute(attempts).scalar_one() == 0


def chunk_states(engine: Engine, job_id: UUID) -> dict[str, int]:
    with engine.connect() as connection:
        counted = text(
            "SELECT state, count(*) FROM job_chunk WHERE job_id = :job_id GROUP BY state"
        )
        return {row.state: row.count for row in connection.execute(counted, {"job_id": job_id})}


def test_losing_every_message_delays_and_loses_nothing(
    engine: Engine, services: Services, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    job_id = jobs.enqueue(engine, [item.id for item in sandbox.catalogue.items[:300]]).job_id
    with worker(environment):
        wait_for(lambda: chunk_states(engine, job_id).get("leased", 0) == 1)
        with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
            client.flushall()
        services.broker.kill()
        services.broker.start()
        assert wait_until_done(engine, job_id).waiting == 0


def test_another_system_submits_by_message(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], broker_url: str
) -> None:
    with Celery(broker=broker_url, set_as_current=False) as client:
        for _ in range(2):
            client.send_task(
                SUBMIT,
                args=[[item.id for item in sandbox.catalogue.items[:5]]],
                kwargs={"idempotency_key": "nightly"},
                queue=SUBMIT_QUEUE,
            )
        client.send_task(SUBMIT, args=[["nonsense"]], queue=SUBMIT_QUEUE)
    with worker(environment):
        wait_for(lambda: len(job_ids(engine)) == 1)
        assert wait_until_done(engine, job_ids(engine)[0]).total == 5
    assert len(job_ids(engine)) == 1


def job_ids(engine: Engine) -> list[UUID]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT id FROM job")).scalars())
