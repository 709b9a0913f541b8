"""A worker on RabbitMQ: quorum queues, and a broker that is killed."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from celery import Celery
from pydantic import SecretStr
from sqlalchemy import Engine

from common.process.settings import BrokerSettings
from common.store.refused_messages import list_refused
from deploy.sandbox.server import Sandbox
from tests.waiting import wait_for
from tests.worker.processes.running import (
    TIMEOUT,
    is_ready,
    job_ids,
    wait_until_done,
    worker,
)
from tests.worker.processes.test_waking import SLEEPING
from worker import jobs
from worker.process.tasks import SUBMIT, SUBMIT_QUEUE, create_app, send_wake_up

# What Debian has in PATH insists on an account and a folder of its own.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(4 * TIMEOUT),
    pytest.mark.skipif(not SERVER.exists(), reason="no rabbitmq-server on this machine"),
]


class RabbitMq:
    """A server in a temporary folder, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, self._dist_port, self._epmd_port = free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [SERVER], env=self._environment(), stdout=subprocess.DEVNULL, start_new_session=True
        )
        wait_for(self._accepts)

    def kill(self, signal_number: int = signal.SIGKILL) -> None:
        if self._process:
            os.killpg(self._process.pid, signal_number)
            self._process.wait()

    def close(self) -> None:
        """End the server, and the daemon of Erlang that it started on a port of our choice."""
        self.kill()
        wait_for(self._ends_epmd)

    def _ends_epmd(self) -> bool:
        """It refuses for as long as it takes the server to be alive."""
        command = ["epmd", "-port", str(self._epmd_port), "-kill"]
        done = subprocess.run(command, capture_output=True, check=False)
        return done.returncode == 0

    def _accepts(self) -> bool:
        try:
            with Celery(broker=self.url, set_as_current=False) as app, app.connection() as opened:
                opened.connect()
        except OSError:
            time.sleep(0.5)
            return False
        return True

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "HOME": str(self._folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": "test@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "db"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
        }


def free_ports(count: int) -> list[int]:
    with ExitStack() as exits:
        probes = [exits.enter_context(closing(socket.socket())) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMq]:
    with tempfile.TemporaryDirectory(prefix="rabbitmq-", ignore_cleanup_errors=True) as folder:
        server = RabbitMq(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.close()


def test_jobs_are_done_although_the_broker_is_killed(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], rabbitmq: RabbitMq
) -> None:
    ids = [item.id for item in sandbox.catalogue.items[:300]]
    job_id = jobs.enqueue(engine, ids).job_id
    with worker(environment | {"BROKER_URL": rabbitmq.url}):
        wait_for(lambda: jobs.status(engine, job_id).settled > 0)
        rabbitmq.kill()
        rabbitmq.start()
        after = jobs.enqueue(engine, ids[:20], jobs.JobOptions(priority="urgent")).job_id
        assert wait_until_done(engine, after).waiting == 0
        assert wait_until_done(engine, job_id).waiting == 0


def test_a_wake_up_reaches_a_worker(
    engine: Engine,
    sandbox: Sandbox,
    environment: dict[str, str],
    rabbitmq: RabbitMq,
    tmp_path: Path,
) -> None:
    heartbeat = tmp_path / "heartbeat"
    there = {"BROKER_URL": rabbitmq.url, "WORKER_HEARTBEAT_FILE": str(heartbeat)}
    app = create_app(BrokerSettings(broker_url=SecretStr(rabbitmq.url)))
    with worker(environment | there, module=SLEEPING), app:
        wait_for(lambda: is_ready(heartbeat))
        ids = [item.id for item in sandbox.catalogue.items[:5]]
        job_id = jobs.enqueue(engine, ids).job_id

        def is_done() -> bool:
            send_wake_up(app)  # again and again, since nobody knows when the worker listens
            return jobs.status(engine, job_id).state == "done"

        wait_for(is_done)


def test_another_system_submits_by_message(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], rabbitmq: RabbitMq
) -> None:
    with Celery(broker=rabbitmq.url, set_as_current=False) as client:
        client.conf.task_create_missing_queue_type = "quorum"
        ids = [item.id for item in sandbox.catalogue.items[:5]]
        client.send_task(SUBMIT, args=[ids], queue=SUBMIT_QUEUE)
    with worker(environment | {"BROKER_URL": rabbitmq.url}):
        wait_for(lambda: bool(job_ids(engine)))
        assert wait_until_done(engine, job_ids(engine)[0]).total == 5


def test_what_is_no_task_is_put_aside(
    engine: Engine, environment: dict[str, str], rabbitmq: RabbitMq
) -> None:
    with Celery(broker=rabbitmq.url, set_as_current=False) as client:
        client.conf.task_create_missing_queue_type = "quorum"
        client.send_task("no.such", args=["x"], queue=SUBMIT_QUEUE)
        with client.connection_for_write() as connection:
            headers = {"sent": datetime(2026, 11, 25, tzinfo=UTC)}
            connection.Producer().publish(b"\x1b[2J", routing_key=SUBMIT_QUEUE, headers=headers)
    with worker(environment | {"BROKER_URL": rabbitmq.url}):
        wait_for(lambda: len(list_refused(engine)) == 2)
    rows = list_refused(engine)
    assert {row.queue for row in rows} == {SUBMIT_QUEUE}
    assert sha256(b"\x1b[2J").hexdigest() in {row.sha256 for row in rows}
    (unknown,) = [row for row in rows if row.headers.get("task") == "no.such"]
    assert unknown.headers.keys() == {"task", "id", "origin"}
