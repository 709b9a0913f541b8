"""`worker enqueue` accepts a million record IDs, against one Celery message per ID.

    python -m benchmarks.enqueue [--ids 1000000] [--messages 5000]

Ours is the whole run of the command over a file of IDs, including its start. The peer sends a
sample of the IDs over one open connection, before and after ours: the better rate counts, and is
assumed for all the IDs.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from celery import Celery
from sqlalchemy import Engine, text

from benchmarks.parts.report import at_least, at_most, finish
from benchmarks.parts.services import program, store_and_broker

PEER_QUEUE = "peer"
LEAST_TIMES = 50
MOST_MEMORY = 300  # MiB of the enqueuing process


@dataclass(frozen=True)
class EnqueueEnded:
    """A command that ended well."""

    seconds: float
    peak_mib: float


def write_ids(path: Path, count: int) -> None:
    """IDs as long as those of many museums, one per line."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            file.write(f"/{number % 2000 + 1}/object_of_the_museum_{number:08d}\n")


def enqueue(path: Path) -> EnqueueEnded:
    """Run `worker enqueue` over a file of IDs."""
    started = time.monotonic()
    process = subprocess.Popen(program("worker", "enqueue", str(path)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"worker enqueue ended with {process.returncode}")
    return EnqueueEnded(time.monotonic() - started, usage.ru_maxrss / 1024)


def messages_per_second(app: Celery, ids: Sequence[str]) -> float:
    """One message per ID, from a producer that keeps its connection."""
    with app.producer_pool.acquire(block=True) as producer:
        started = time.monotonic()
        for record_id in ids:
            app.send_task("peer.enrich", args=[record_id], queue=PEER_QUEUE, producer=producer)
        return len(ids) / (time.monotonic() - started)


@contextmanager
def store() -> Iterator[Engine]:
    """A migrated store with an active model, and a broker."""
    with store_and_broker() as engine:
        with engine.begin() as connection:
            connection.execute(_MODEL)
        yield engine


_MODEL = text("""
    INSERT INTO model (name, version, path, sha256, labels, thresholds, stage)
    VALUES ('m', 1, 'm', repeat('0', 64), '{}', '{}', 'active')
""")


def compare(engine: Engine, folder: Path, *, ids: int, messages: int) -> dict[str, float]:
    """Accept the IDs both ways, and return the figures."""
    path = folder / "ids.txt"
    write_ids(path, ids)
    sample = [f"/1/object_of_the_museum_{number:08d}" for number in range(messages)]
    with Celery(broker=os.environ["BROKER_URL"], set_as_current=False) as app:
        rates = [messages_per_second(app, sample)]
        ours = enqueue(path)
        rates.append(messages_per_second(app, sample))
    with engine.connect() as connection:
        accepted = text("SELECT coalesce(sum(cardinality(record_ids)), 0) FROM job_chunk")
        total = int(connection.execute(accepted).scalar_one())
    return {
        "accepted": total,
        "seconds": round(ours.seconds, 2),
        "ids_per_second": round(ids / ours.seconds),
        "peer_messages": messages,
        "peer_ids_per_second": round(max(rates)),
        "peer_seconds_extrapolated": round(ids / max(rates)),
        "times_peer": round(ids / ours.seconds / max(rates), 1),
        "peak_mib": round(ours.peak_mib, 1),
    }


def main(
    ids: Annotated[int, typer.Option(min=10_000)] = 1_000_000,
    messages: Annotated[int, typer.Option(min=1000, help="Of the peer, per round.")] = 5_000,
) -> None:
    with tempfile.TemporaryDirectory() as folder, store() as engine:
        figures = compare(engine, Path(folder), ids=ids, messages=messages)
    finish(
        figures=figures,
        bars={
            "accepted": at_least(ids),
            "times_peer": at_least(LEAST_TIMES),
            "peak_mib": at_most(MOST_MEMORY),
        },
    )


if __name__ == "__main__":
    typer.run(main)
