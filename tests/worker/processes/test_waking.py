"""What wakes an idle worker, and that it works when nothing does."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine

from deploy.local import Services
from deploy.sandbox.server import Sandbox
from tests.common.test_messages import MALFORMED
from tests.waiting import wait_for
from tests.worker.processes.running import (
    TIMEOUT,
    WORKER,
    is_ready,
    wait_until_done,
    worker,
)
from worker import jobs
from worker.process.tasks import WAKE_EXCHANGE
from worker.process.wake import wake_workers

pytestmark = pytest.mark.timeout(4 * TIMEOUT)
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


def test_what_strangers_publish_wakes_nobody_and_ends_nothing(
    sleeping: "subprocess.Popen[bytes]",
    engine: Engine,
    sandbox: Sandbox,
    services: Services,
) -> None:
    job_id = enqueue(engine, sandbox).job_id
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        wait_for(lambda: client.pubsub_numpat() == 1)
        for message in MALFORMED.values():
            heard = client.publish(f"/0.{WAKE_EXCHANGE}/{WAKE_EXCHANGE}", message)
            assert heard == 1
    assert jobs.status(engine, job_id).waiting == 5
    wake_workers()
    assert wait_until_done(engine, job_id).waiting == 0
    assert sleeping.poll() is None


def test_a_worker_works_without_a_broker(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    nobody = {"BROKER_URL": f"redis+socket://{tmp_path}/nobody.sock"}
    job_id = enqueue(engine, sandbox).job_id
    with worker(environment | nobody) as process:
        assert wait_until_done(engine, job_id).waiting == 0
        process.terminate()
        assert process.wait(TIMEOUT) == 0
