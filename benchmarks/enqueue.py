"""A million record IDs accepted by `worker enqueue`, against one Celery message an ID.

    python -m benchmarks.enqueue [--ids 1000000] [--messages 5000]

Ours is the whole life of the command over a file of IDs, its start included, and the wake-up that
it sends to workers. The peer sends a sample of the IDs over one open connection,
before and after ours: the better rate counts, and is taken to hold for all the IDs.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import redis
import typer
from celery import Celery
from sqlalchemy import Engine, create_engine, text

from benchmarks.parts.report import at_least, at_most, finish
from benchmarks.parts.watching import watching
from deploy.local import Services, local_services

REPOSITORY = Path(__file__).resolve().parents[1]
ENQUEUE = (sys.executable, "-c", "from worker.cli import main; main()", "enqueue")
SAMPLES_PER_SECOND = 20
PEER_QUEUE = "peer"
LEAST_TIMES = 50
MOST_BROKER_MEMORY = 5  # MiB above the empty broker
MOST_MEMORY = 300  # MiB of the enqueuing process


@dataclass(frozen=True)
class EnqueueEnded:
    """A command that did what it should."""

    seconds: float
    peak_mib: float


class BrokerMemory:
    """What the broker holds above its empty level, in MiB; `peak` is the most of all samples."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._client.flushall()
        self._empty = self._used()
        self.peak = 0.0

    def sample(self) -> None:
        """Look once."""
        self.peak = max(self.peak, self._used() - self._empty)

    def watched(self) -> AbstractContextManager[None]:
        """Look again and again until the block ends."""
        return watching(self.sample, per_second=SAMPLES_PER_SECOND)

    def _used(self) -> float:
        memory = cast("dict[str, int]", self._client.info("memory"))
        return memory["used_memory"] / (1 << 20)


def write_ids(path: Path, count: int) -> None:
    """IDs as long as many museums' are, one a line."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            file.write(f"/{number % 2000 + 1}/object_of_the_museum_{number:08d}\n")


def enqueue(path: Path) -> EnqueueEnded:
    """Run the command over a file of IDs."""
    started = time.monotonic()
    process = subprocess.Popen([*ENQUEUE, str(path)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"worker enqueue ended with {process.returncode}")
    return EnqueueEnded(time.monotonic() - started, usage.ru_maxrss / 1024)


def messages_per_second(app: Celery, ids: Sequence[str]) -> float:
    """One message an ID, by a producer that keeps its connection."""
    with app.producer_pool.acquire(block=True) as producer:
        started = time.monotonic()
        for record_id in ids:
            app.send_task("peer.enrich", args=[record_id], queue=PEER_QUEUE, producer=producer)
        return len(ids) / (time.monotonic() - started)


def prepare_store(services: Services) -> Engine:
    """A migrated store with an active model."""
    os.environ["DATABASE_URL"] = services.database_url
    os.environ["BROKER_URL"] = services.broker_url
    alembic = [sys.executable, "-m", "alembic", "upgrade", "head"]
    subprocess.run(alembic, cwd=REPOSITORY, check=True, stderr=subprocess.DEVNULL)
    engine = create_engine(services.database_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO model (name, version, path, sha256, labels, thresholds, stage) "
                "VALUES ('m', 1, 'm', repeat('0', 64), '{}', '{}', 'active')"
            )
        )
    return engine


def compare(services: Services, folder: Path, *, ids: int, messages: int) -> dict[str, float]:
    """Accept the IDs both ways; the figures."""
    engine = prepare_store(services)
    path = folder / "ids.txt"
    write_ids(path, ids)
    sample = [f"/1/object_of_the_museum_{number:08d}" for number in range(messages)]
    app = Celery(broker=services.broker_url, set_as_current=False)
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client, app:
        rates = [messages_per_second(app, sample)]
        memory = BrokerMemory(client)
        with memory.watched():
            ours = enqueue(path)
        peer_memory = BrokerMemory(client)
        rates.append(messages_per_second(app, sample))
        peer_memory.sample()
        client.flushall()
    with engine.connect() as connection:
        accepted = text("SELECT coalesce(sum(cardinality(record_ids)), 0) FROM job_chunk")
        total = int(connection.execute(accepted).scalar_one())
    engine.dispose()
    return {
        "accepted": total,
        "seconds": round(ours.seconds, 2),
        "ids_per_second": round(ids / ours.seconds),
        "peer_messages": messages,
        "peer_ids_per_second": round(max(rates)),
        "peer_seconds_extrapolated": round(ids / max(rates)),
        "times_peer": round(ids / ours.seconds / max(rates), 1),
        "broker_mib": round(memory.peak, 2),
        "peer_broker_mib_extrapolated": round(peer_memory.peak * ids / messages),
        "peak_mib": round(ours.peak_mib, 1),
    }


def main(
    ids: Annotated[int, typer.Option(min=10_000)] = 1_000_000,
    messages: Annotated[int, typer.Option(min=1000, help="of the peer, a round")] = 5_000,
) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as folder, local_services() as services:
        figures = compare(services, Path(folder), ids=ids, messages=messages)
    finish(
        figures=figures,
        bars={
            "accepted": at_least(ids),
            "times_peer": at_least(LEAST_TIMES),
            "broker_mib": at_most(MOST_BROKER_MEMORY),
            "peak_mib": at_most(MOST_MEMORY),
        },
    )


if __name__ == "__main__":
    typer.run(main)
