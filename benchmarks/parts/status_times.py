"""How long `jobs.status` takes while others work, seen from a process of its own.

    python -m benchmarks.parts.status_times JOB_ID

It asks the store of DATABASE_URL once a second until its standard input ends. It writes two JSON
objects, each on a line: at the beginning the process ID of the backend that answers, and at the end
the seconds of each look, on the clock, and of the backend's processor time, all looks together.
"""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from statistics import quantiles
from typing import IO, Any
from uuid import UUID

from sqlalchemy import text

from benchmarks.parts.processor_time import seconds_of
from common.store.session import open_store
from worker import jobs

REPOSITORY = Path(__file__).resolve().parents[2]
EVERY = 1.0  # seconds between two looks


@dataclass
class StatusTimes:
    """The backend that answers, and what is known once the block has ended: the seconds of each
    look, and those of the backend's processor."""

    backend: int
    seconds: list[float] = field(default_factory=list)
    processor_seconds: float = nan

    def figures(self) -> dict[str, float]:
        """Of one look, in milliseconds."""
        looks = [1000 * each for each in self.seconds] or [nan]
        return {
            "status_looks": len(self.seconds),
            "status_median_ms": round(sorted(looks)[len(looks) // 2], 1),
            "status_95_percent_ms": round(quantiles([*looks, looks[-1]], n=20)[-1], 1),
            "status_worst_ms": round(max(looks), 1),
            "status_processor_ms": round(1000 * self.processor_seconds / len(looks), 2),
        }


@contextmanager
def timed_status(job_id: UUID) -> Iterator[StatusTimes]:
    """Look at a job again and again, in another process, until the block ends."""
    command = [sys.executable, "-m", "benchmarks.parts.status_times", str(job_id)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, text=True) as process:
        told: IO[str] = process.stdout  # type: ignore[assignment]
        times = StatusTimes(**json.loads(told.readline()))
        try:
            yield times
        finally:
            for name, each in json.loads(process.communicate("")[0]).items():
                setattr(times, name, each)


def look(job_id: UUID) -> None:
    """Look until standard input ends; the first look, which warms the connection, is not told."""
    engine = open_store(connections=1)
    with engine.connect() as connection:
        backend: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    jobs.status(engine, job_id)
    _tell({"backend": backend})
    before, seconds = seconds_of(backend), []
    while not select.select([sys.stdin], [], [], EVERY)[0]:
        began = time.monotonic()
        jobs.status(engine, job_id)
        seconds.append(time.monotonic() - began)
    _tell({"seconds": seconds, "processor_seconds": seconds_of(backend) - before})


def _tell(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    look(UUID(sys.argv[1]))
