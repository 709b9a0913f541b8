"""Publishers that are killed and frozen, answers that get lost, tokens that end, a store that goes.

At the end exactly one annotation stands for each statement, and the ledger says the same.
`CHAOS_PUBLICATIONS=5000` makes it long.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from deploy.local import Services
from deploy.sandbox.faults import Fault
from publisher.work.pacing import MOST_THREADS
from tests.publisher.conftest import Publisher, as_maps
from tests.publisher.statement_rows import add_model, certify, consent, enrich, record_ids

PUBLICATIONS = int(os.environ.get("CHAOS_PUBLICATIONS", "120"))
RATE = 40 if PUBLICATIONS < 1_000 else 200
PATIENCE = 3.0  # seconds
INDEX_SECONDS = 1.0
STRIKES = max(8, PUBLICATIONS // 100)
TIMEOUT = 120 + PUBLICATIONS / 10  # seconds
PUBLISHER = (sys.executable, "-c", "from publisher.cli import main; main()")
EVENTS = ("kill", "kill", "freeze", "lock", "end_tokens", "restart_postgres")


class Publishers:
    """Three processes that send a plan, each started again when it ends; and their villain."""

    def __init__(
        self, plan: int, publisher: Publisher, services: Services, folder: Path, seed: int
    ) -> None:
        self._plan = plan
        self._publisher = publisher
        self._services = services
        self._log = folder / "log"
        self._random = random.Random(seed)
        self._running: list[subprocess.Popen[bytes]] = []
        self.events = [f"CHAOS_SEED={seed}"]

    def keep_running(self) -> None:
        self._running = [each for each in self._running if each.poll() is None]
        while len(self._running) < 3:
            with self._log.open("ab") as log:
                self._running.append(
                    subprocess.Popen(
                        [*PUBLISHER, "send", str(self._plan)],
                        stdout=log,
                        stderr=log,
                    )
                )

    def strike(self) -> None:
        event = self._random.choice(EVENTS)
        self.events.append(event)
        getattr(self, f"_{event}")()

    def stop(self) -> None:
        for each in self._running:
            each.send_signal(signal.SIGCONT)
            each.kill()
            each.wait()

    def _kill(self) -> None:
        self._random.choice(self._running).kill()

    def _freeze(self) -> None:
        """For longer than a lease, so that another process takes what it had."""
        victim = self._random.choice(self._running)
        with suppress(ProcessLookupError):
            victim.send_signal(signal.SIGSTOP)
            time.sleep(PATIENCE * self._random.choice((0.2, 1.2)))
            victim.send_signal(signal.SIGCONT)

    def _lock(self) -> None:
        self._publisher.sandbox.annotations.lock(0.5)

    def _end_tokens(self) -> None:
        self._publisher.sandbox.annotations.end_tokens()

    def _restart_postgres(self) -> None:
        self._services.postgres.stop()
        self._services.postgres.start()


@pytest.fixture
def publisher(start: Callable[..., Publisher]) -> Publisher:
    """One answer of twenty gets lost after the annotation was written, and the index is slow."""
    lost = [Fault("lost", probability=0.05), Fault("lost", probability=0.02, status=503)]
    return start(
        writes=[Fault("latency", seconds=0.02), *lost],
        index_seconds=INDEX_SECONDS,
        token_seconds=2,
        rate=RATE,
        patience=PATIENCE,
    )


@pytest.fixture
def records(publisher: Publisher) -> list[str]:
    """Certified enrichments of a provider that consents."""
    made = record_ids(PUBLICATIONS)
    with publisher.engine.begin() as connection:
        add_model(connection)
        enrich(connection, made)
        certify(connection, made)
        consent(connection)
    return made


@pytest.fixture
def publishers(
    publisher: Publisher, records: list[str], services: Services, tmp_path: Path
) -> Iterator[Publishers]:
    """On a plan of all records."""
    number = json.loads(publisher("plan", "--json").stdout)["id"]
    seed = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 10_000)
    made = Publishers(number, publisher, services, tmp_path, seed)
    yield made
    made.stop()


def left(publisher: Publisher) -> int:
    """How many statements are still to be sent; many while the store is away."""
    with suppress(DBAPIError):
        states = publisher.states()
        return states.get("planned", 0) + states.get("sending", 0)
    return PUBLICATIONS


def play(publishers: Publishers, publisher: Publisher, *, until: Callable[[int], bool]) -> None:
    """Strike until so few statements are left, then have the publishers finish."""
    deadline = time.monotonic() + TIMEOUT
    while not until(left(publisher)):
        assert time.monotonic() < deadline, publisher.states()
        publishers.keep_running()
        if len(publishers.events) < STRIKES:
            publishers.strike()
        time.sleep(0.3)


@pytest.mark.timeout(TIMEOUT * 2)
def test_each_statement_stands_once_whatever_dies(
    publishers: Publishers, publisher: Publisher, records: list[str]
) -> None:
    play(publishers, publisher, until=lambda number: number == 0)
    assert publisher.standing == publisher.posted == as_maps(records), publishers.events
    # A process that was frozen for longer than a lease sends late what each thread had begun.
    late = MOST_THREADS if "freeze" in publishers.events else 0
    assert publisher.sandbox.annotations.pace.worst_second() <= RATE + late


@pytest.mark.timeout(TIMEOUT * 2)
def test_nothing_stands_after_a_withdrawal_in_the_middle(
    publishers: Publishers, publisher: Publisher, records: list[str]
) -> None:
    play(publishers, publisher, until=lambda number: number < PUBLICATIONS / 2)
    withdraw(publisher)
    play(publishers, publisher, until=lambda number: number == 0)
    publishers.stop()
    again_until_done(publisher, "sync")
    assert publisher.standing == publisher.posted == [], publishers.events
    assert publisher.states().keys() <= {"withdrawn", "refused"}


def withdraw(publisher: Publisher) -> None:
    again_until_done(publisher, "withdraw", "--model", "audited", "--yes")


def again_until_done(publisher: Publisher, *arguments: str) -> None:
    """The command, as an operator runs it again when the store was away."""
    for _ in range(20):
        ended = subprocess.run([*PUBLISHER, *arguments], capture_output=True, check=False)
        if ended.returncode == 0:
            return
        time.sleep(0.5)
    raise AssertionError(ended.stderr.decode())
