"""What wakes an idle worker, and that it works when nothing does."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from deploy.local import Services
from deploy.sandbox.server import Sandbox
from tests.waiting import wait_for
from tests.worker.processes.running import (
    TIMEOUT,
    WORKER,
    chunk_states,
    is_ready,
    wait_until_done,
    worker,
)
from worker import jobs

pytestmark = pytest.mark.timeout(4 * TIMEOUT)
SOON = 10.0  # seconds, on a busy machine; asking by itself comes long after
SLEEPING = "tests.worker.processes.sleeping"


@pytest.fixture
def sleeping(environment: dict[str, str], tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    heartbeat = tmp_path / "heartbeat"
    watched = environment | {"WORKER_HEARTBEAT_FILE": str(heartbeat)}
    with worker(watched, module=SLEEPING) as process:
        wait_for(lambda: is_ready(heartbeat))
        yield process


def enqueue(engine: Engine, sandbox: Sandbox, count: int = 5) -> jobs.Accepted:
    ids = [item.id for item in sandbox.catalogue.items[:count]]
    return jobs.enqueue(engine, ids, jobs.JobOptions(picture="thumbnail"))


def test_a_command_that_adds_a_job_wakes_a_worker(
    sleeping: "subprocess.Popen[bytes]",
    engine: Engine,
    sandbox: Sandbox,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("\n".join(item.id for item in sandbox.catalogue.items[:5]))
    command = (WORKER, "enqueue", str(ids), "--picture", "thumbnail", "--name", "small")
    subprocess.run(command, env=environment, check=True, capture_output=True)
    (row,) = jobs.list_jobs(engine)
    assert wait_until_done(engine, row.job_id).waiting == 0


def test_an_idle_worker_takes_a_job_as_soon_as_it_is_there(
    sleeping: "subprocess.Popen[bytes]", engine: Engine, sandbox: Sandbox
) -> None:
    job_id = enqueue(engine, sandbox).job_id
    began = time.monotonic()
    wait_for(lambda: "ready" not in chunk_states(engine, job_id), pause=0.005)
    assert time.monotonic() - began < SOON
    assert wait_until_done(engine, job_id).waiting == 0


def test_a_worker_goes_on_when_postgres_has_started_again(
    sleeping: "subprocess.Popen[bytes]", engine: Engine, sandbox: Sandbox, services: Services
) -> None:
    services.postgres.stop()
    services.postgres.start()
    wait_for(lambda: bool(listeners(engine)))
    assert wait_until_done(engine, enqueue(engine, sandbox).job_id).waiting == 0


def listeners(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        asked = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND state = 'idle'"
        return list(connection.execute(text(asked)).scalars())
