"""What the threads of a worker share, without a process around it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from common.process.settings.worker import WorkerSettings
from deploy.sandbox.server import Sandbox
from tests.worker.processes.running import TIMEOUT
from worker import jobs
from worker.ledger.rotation import JobRotation
from worker.process.service import EnrichmentService

pytestmark = pytest.mark.timeout(TIMEOUT)


@pytest.fixture
def service(
    engine: Engine, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[EnrichmentService]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with closing(EnrichmentService(engine, WorkerSettings.read())) as service:
        yield service


def test_claimed_chunks_are_brought_to_their_outcomes_until_the_worker_drains(
    engine: Engine, sandbox: Sandbox, service: EnrichmentService
) -> None:
    ids = [item.id for item in sandbox.catalogue.items if item.thumbnail][:300]
    job_id = jobs.enqueue(engine, ids, jobs.JobOptions(picture="thumbnail")).job_id
    with capture_logs() as logs:
        while lease := service.claim(JobRotation(), put_off=False):
            service.work_on(lease)
    assert jobs.status(engine, job_id).enriched == len(ids)
    events = Counter(entry["event"] for entry in logs)
    assert (events["chunk done"], events["job done"]) == (len(ids) // 256 + 1, 1)
    assert events["the model was trained on other pictures than the job looks at"] == 1  # a job
    assert service.has_model
    jobs.enqueue(engine, ids[:1])
    service.returns.drain()
    assert service.claim(JobRotation(), put_off=False) is None
