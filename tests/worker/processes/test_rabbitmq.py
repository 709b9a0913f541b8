"""Lists by RabbitMQ: quorum queues, and a broker that is killed."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from celery import Celery
from sqlalchemy import Engine

from common.process.settings import BrokerSettings
from tests.waiting import wait_for
from tests.worker.processes.lists import send_list
from tests.worker.processes.running import TIMEOUT, job_ids
from worker.process.list_taker import ListTaker

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


def test_lists_are_taken_although_the_broker_is_killed(
    engine: Engine, model_id: int, rabbitmq: RabbitMq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_URL", rabbitmq.url)
    taker = ListTaker(BrokerSettings.read())
    taker.start()
    try:
        send_list(rabbitmq.url, ["/1/a"])
        wait_for(lambda: len(job_ids(engine)) == 1)
        rabbitmq.kill()
        rabbitmq.start()
        send_list(rabbitmq.url, ["/1/b"])
        wait_for(lambda: len(job_ids(engine)) == 2)
    finally:
        taker.stop()
