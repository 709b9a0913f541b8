"""All that a worker prints is JSON, and what is about a chunk names the job and the chunk."""

import json

import pytest
from sqlalchemy import Engine

from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox
from tests.worker.processes.running import FILES_FIRST, TIMEOUT, WORKER, wait_until_done, worker
from worker import jobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * TIMEOUT)]

OF_THE_PROCESS = {
    "network loaded",
    "runtime chosen",
    "a problem of this worker has ended",
    "the worker is stopping: it finishes its chunks or gives them back",
    "this worker is not ready",
    "worker ready",
    "worker started",
}


def test_lines_of_a_chunk_at_failing_hosts_name_job_and_chunk(
    engine: Engine, environment: dict[str, str]
) -> None:
    """The API fails, too: it is asked in a chunk's thread, and the library that asks again logs."""
    failing = Faults(
        hosts={"*": [Fault(kind="status", status=503, probability=0.5)]},
        api=[Fault(kind="status", status=500, first=3)],
    )
    with Sandbox(draw_collection(items=20), faults=failing) as sandbox:
        here = {"EUROPEANA_API_URL": sandbox.url, "EUROPEANA_API_KEY": sandbox.key}
        ids = [item.id for item in sandbox.catalogue.items]
        job_id = jobs.enqueue(engine, ids, FILES_FIRST).job_id
        with worker(environment | here, ("sh", "-c", f"exec {WORKER} run >&2")) as process:
            done = wait_until_done(engine, job_id)
            process.terminate()
            _, log = process.communicate(timeout=TIMEOUT)
    assert done.total == 20
    lines = [json.loads(line) for line in log.decode().splitlines()]
    of_chunks = [line for line in lines if line["event"] not in OF_THE_PROCESS]
    assert {"chunk done", "The API of Europeana did not answer. The request is sent again."} <= {
        line["event"] for line in of_chunks
    }
    nameless = [line for line in of_chunks if line.get("job") != str(job_id) or "chunk" not in line]
    told = [line["event"] for line in nameless]
    assert [each for each in told if "SecurityWarning" not in each] == []  # of Celery, about root
