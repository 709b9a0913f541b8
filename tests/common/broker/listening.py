"""A process that hears a list and a channel of the real Valkey, for strangers to send to."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from deploy.local import Services
from tests.common.test_messages import QUEUE, envelope, running
from tests.waiting import wait_for

ALL = "probe.all"
THREADS = 20
CHANNEL = f"/0.{ALL}/{ALL}"
LISTENER = f"""
import os
import time

from common.broker import create_app, work
from common.messages import REFUSED
from common.process.log import configure_logging
from common.process.settings import BrokerSettings

configure_logging()
app = create_app("probe", BrokerSettings.read(), ["{QUEUE}"], heard_by_all="{ALL}")
app.conf.update(task_acks_late=True)


def say(*words):
    os.write(1, " ".join([*map(str, words), "\\n"]).encode())  # whole, beside other threads


@app.task(name="probe.task")
def task(*args, **kwargs):
    say(*args)


@app.task(name="probe.heard")
def heard(*args, **kwargs):
    say(*args)


@app.task(name="probe.woken", at_once=True)
def wake():
    say("woken")


@app.task(name="probe.lasts")
def last(*args):
    say(*args)
    time.sleep(60)


@app.task(name="probe.refused")
def count_refused():
    say("refused", int(REFUSED.collect()[0].samples[0].value))


raise SystemExit(work(app, threads={THREADS}, on_stop=lambda: None))
"""


class Listening:
    """Such a process, and who sends to it."""

    def __init__(self, process: "subprocess.Popen[str]", client: "redis.Redis") -> None:
        self.process = process
        self.client = client
        self._words = 0

    def lines(self) -> Iterator[str]:
        """What it says, until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield line.strip()

    def wait_for(self, word: str) -> None:
        assert word in self.lines(), "the process has ended"

    def push(self, *messages: str | bytes) -> None:
        self.client.lpush(QUEUE, *messages)

    def publish(self, *messages: str | bytes) -> None:
        for message in messages:
            while not self.client.publish(CHANNEL, message):
                time.sleep(0.05)  # who heard many in a row listens no more for a moment

    def publish_until_heard(self, word: str) -> None:
        """As often as it takes: who connects again meanwhile hears nothing of it."""
        heard = threading.Event()

        def go_on() -> None:
            while not heard.wait(0.1):
                self.client.publish(CHANNEL, said(word, task="probe.heard"))

        stranger = threading.Thread(target=go_on)
        stranger.start()
        try:
            self.wait_for(word)
        finally:
            heard.set()
            stranger.join()

    def assert_hears_both(self) -> None:
        """A proper message by each way is worked on."""
        self._words += 1
        for place in ("first", "second"):  # after which what was published before is heard
            self.push(said(f"{place} {self._words}"))
            self.wait_for(f"{place} {self._words}")
        self.publish(said(f"published {self._words}", task="probe.heard"))
        self.wait_for(f"published {self._words}")

    def refused(self) -> int:
        """How many messages it has refused."""
        self.push(envelope(task="probe.refused"))
        return int(next(line for line in self.lines() if line.startswith("refused")).split()[1])

    def ticks(self) -> int:
        """Hundredths of a second that it had of a processor."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return sum(map(int, stat.rpartition(")")[2].split()[11:13]))

    def in_work(self) -> set[str]:
        """The tags of messages that it has not acknowledged."""
        return set(map(bytes.decode, self.client.hkeys("unacked")))


def said(*words: str, **headers: Any) -> str:
    """A message that has a task print these words."""
    return envelope(json.dumps([words, {}, None]).encode(), **headers)


@contextmanager
def listening(services: Services) -> Iterator[Listening]:
    """A process that listens already."""
    assert os.environ["BROKER_URL"] == services.broker_url
    with (
        redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client,
        running(LISTENER) as process,
    ):
        found = Listening(process, client)
        wait_for(lambda: client.pubsub_numpat() == 1 or process.poll() is not None)
        found.assert_hears_both()
        yield found
