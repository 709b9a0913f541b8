"""Ten million records through the ledger, without pictures: does a chunk cost more as it fills?

    python -m benchmarks.ledger_scale [--records 10000000]

`worker enqueue` accepts the records from a file, in its own process. Then 8 threads claim chunks
and finish them with outcomes without a picture (`benchmarks/parts/unseen_outcomes.py`), a hundredth
of the records at a time. The cost of a chunk is the time on the clock, and the processor time of
this process and of all processes of Postgres, with autovacuum. The costs between 90 and 100 % of
the records are compared with those between 5 and 15 %. At the end the job is deleted.

`jobs.status` is timed between two hundredths, while no thread works: `status_quiet_worst_ms` is the
worst of a hundred, each the median of three calls. If other programs keep the machine busy, all
times rise, also processor times. `client` is this process alone, which does the same work for each
chunk. If it grows, the machine became slower.
"""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import Engine, text

from benchmarks.enqueue import EnqueueEnded, enqueue, store, write_ids
from benchmarks.parts.processor_time import ProcessorTime, Used
from benchmarks.parts.report import Bar, at_least, at_most, finish
from benchmarks.parts.unseen_outcomes import add_enriched_records, outcome_of
from common.process.terminal.progress import progress
from common.store.session import open_store
from worker import jobs
from worker.jobs.prune import prune
from worker.ledger import chunks
from worker.ledger.finish import finish as finish_chunk
from worker.ledger.sweep import sweep

THREADS = 8
LEASE_SECONDS = 120.0
BLOCKS = 100  # of a job; between two blocks no thread works
QUIET_LOOKS = range(3)  # calls of the status, between two blocks
TENTHS = 10
EARLY, LATE = slice(5, 15), slice(90, 100)  # blocks
MOST_GROWTH = 1.15
MOST_STATUS_MS = 50
MOST_ACCEPTING = 60  # seconds
MOST_MEMORY = 300  # MiB of the enqueuing process
MOST_DELETING = 10  # seconds

_JOB = text("SELECT id, chunks FROM job")
_SIZE = text("SELECT pg_database_size(current_database()) / 1048576.0")


@dataclass(frozen=True, kw_only=True)
class ChunkCost:
    """The cost of some chunks, in seconds."""

    chunks: int
    wall: float
    used: Used

    def of_a_chunk(self) -> dict[str, float]:
        """In milliseconds."""
        return {
            "wall_ms": round(1000 * self.wall / self.chunks, 3),
            "processor_ms": round(1000 * (self.used.own + self.used.postgres) / self.chunks, 3),
            "postgres_ms": round(1000 * self.used.postgres / self.chunks, 3),
            "client_ms": round(1000 * self.used.own / self.chunks, 3),
        }


@dataclass
class Course:
    """The costs by block, and the seconds of a status while no thread worked."""

    costs: list[ChunkCost] = field(default_factory=list)
    quiet_status: list[float] = field(default_factory=list)

    def cost(self, blocks: slice) -> ChunkCost:
        """The cost of several blocks."""
        taken = self.costs[blocks]
        return ChunkCost(
            chunks=sum(each.chunks for each in taken),
            wall=sum(each.wall for each in taken),
            used=Used(
                own=sum(each.used.own for each in taken),
                postgres=sum(each.used.postgres for each in taken),
            ),
        )

    def figures(self) -> dict[str, Any]:
        """Costs by tenth of the job, and their growth."""
        early, late = self.cost(EARLY).of_a_chunk(), self.cost(LATE).of_a_chunk()
        step = len(self.costs) // TENTHS
        tenths = [slice(start, start + step) for start in range(0, len(self.costs), step)]
        return {
            **{f"early_{name}": each for name, each in early.items()},
            **{f"late_{name}": each for name, each in late.items()},
            **{
                f"{name}_late_against_early": round(late[f"{name}_ms"] / early[f"{name}_ms"], 3)
                for name in ("wall", "processor", "postgres", "client")
                if early[f"{name}_ms"]  # a few chunks take less than a clock tick
            },
            "status_quiet_median_ms": round(1000 * median(self.quiet_status), 1),
            "status_quiet_worst_ms": round(1000 * max(self.quiet_status), 1),
            "tenths": [self.cost(each).of_a_chunk() for each in tenths],
        }


def settle(engine: Engine) -> bool:
    """Claim a chunk and finish it; returns whether there was one."""
    lease = chunks.claim(engine, worker="benchmark", lease_seconds=LEASE_SECONDS)
    if lease is None:
        return False
    finish_chunk(engine, lease, outcome_of(lease), retry_delays=())
    return True


def status_seconds(engine: Engine, job_id: UUID) -> float:
    """How long one status of a job takes."""
    began = time.monotonic()
    jobs.status(engine, job_id)
    return time.monotonic() - began


def course(engine: Engine, job_id: UUID, chunks_of_job: int, time_of: ProcessorTime) -> Course:
    """Settle the whole job, block by block."""
    seen = Course()
    with (
        ThreadPoolExecutor(THREADS) as threads,
        progress("chunks", chunks_of_job) as report,
    ):
        for block in range(BLOCKS):
            first, last = (chunks_of_job * each // BLOCKS for each in (block, block + 1))
            used, began = time_of.used(), time.monotonic()
            settled = sum(threads.map(settle, [engine] * (last - first)))
            wall = time.monotonic() - began
            seen.costs.append(ChunkCost(chunks=settled, wall=wall, used=time_of.used() - used))
            seen.quiet_status.append(median(status_seconds(engine, job_id) for _ in QUIET_LOOKS))
            report.advance(settled)
    return seen


def delete(engine: Engine) -> dict[str, float]:
    """Delete the lists of the finished job, as `worker prune` does."""
    began = time.monotonic()
    pruned = prune(engine, older_than=timedelta(0))
    return {
        "deleted": pruned.records,
        "deleting_seconds": round(time.monotonic() - began, 2),
    }


def measure(engine: Engine, records: int) -> dict[str, Any]:
    """Settle and delete the one job of the store, and return the figures."""
    add_enriched_records(engine, records)
    with engine.connect() as connection:
        job_id, chunks_of_job = connection.execute(_JOB).one()
        at_start = connection.execute(_SIZE).scalar_one()
    began = time.monotonic()
    seen = course(engine, job_id, chunks_of_job, ProcessorTime(engine))
    seconds = time.monotonic() - began
    sweep(engine)  # it closes a job if its last two chunks ended at the same time
    status = jobs.status(engine, job_id)
    with engine.connect() as connection:
        at_end = connection.execute(_SIZE).scalar_one()
    return {
        "chunks": chunks_of_job,
        "settled": status.settled if status.state == "done" else 0,
        "enriched": status.enriched,
        "failed": status.failed,
        "settling_seconds": round(seconds, 1),
        **seen.figures(),
        "database_mib_start": round(at_start),
        "database_mib_end": round(at_end),
        **delete(engine),
    }


def accepted(ended: EnqueueEnded) -> dict[str, float]:
    """The time and memory of accepting."""
    return {
        "accepting_seconds": round(ended.seconds, 1),
        "accepting_peak_mib": round(ended.peak_mib, 1),
    }


def bars(records: int) -> dict[str, Bar]:
    """The bars for this number of records."""
    return {
        "settled": at_least(records),
        "accepting_seconds": at_most(MOST_ACCEPTING),
        "accepting_peak_mib": at_most(MOST_MEMORY),
        "wall_late_against_early": at_most(MOST_GROWTH),
        "processor_late_against_early": at_most(MOST_GROWTH),
        "deleted": at_least(records),
        "deleting_seconds": at_most(MOST_DELETING),
        "status_quiet_worst_ms": at_most(MOST_STATUS_MS),
    }


def main(records: Annotated[int, typer.Option(min=100_000)] = 10_000_000) -> None:
    with tempfile.TemporaryDirectory() as folder, store():
        ids = Path(folder) / "ids.txt"
        write_ids(ids, records)
        ended = enqueue(ids)
        ids.unlink()
        engine = open_store(connections=THREADS + 2)
        figures = measure(engine, records)
        engine.dispose()
    finish(figures={"records": records, **accepted(ended), **figures}, bars=bars(records))


if __name__ == "__main__":
    typer.run(main)
