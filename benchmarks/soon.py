"""An urgent job of 200 records on an idle worker: how soon do the first enrichments appear?

    python -m benchmarks.soon [--jobs 10] [--records 200]

The worker has its defaults; Europeana's thumbnails come after 100 ms at the usual rate of 50 a
second, which alone takes four seconds for 200. A job is enqueued at a random moment. Enrichments
are counted from outside. The times of the first and of the last one begin when the call that
accepts the job returns.
"""

import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy import Engine, text

from benchmarks.parts.report import at_least, at_most, finish
from benchmarks.parts.services import PATIENCE
from benchmarks.parts.tiny_service import TinyService, record_ids, tiny_service
from common.store.tables import PictureChoice, Priority
from worker import jobs

LATENCY = 0.1  # seconds until a host answers
LOOK_EVERY = 0.02  # seconds
SHORTEST_REST, LONGEST_REST = 2.0, 6.0  # seconds between two jobs
MOST_FIRST, MOST_LAST = 2, 6  # seconds

_ENRICHED = text("SELECT count(*) FROM enrichment WHERE job_id = :job_id")


@dataclass(frozen=True, kw_only=True)
class Soon:
    """Seconds until the first and until the last enrichment of a job."""

    first: float
    last: float


def enriched(engine: Engine, job_id: UUID) -> int:
    """How many enrichments of a job are visible."""
    with engine.connect() as connection:
        return int(connection.execute(_ENRICHED, {"job_id": job_id}).scalar_one())


def run_job(service: TinyService, *, records: int, first: int) -> Soon:
    """Enqueue `records` records from `first` on, and wait for their enrichments."""
    options = jobs.JobOptions(priority=Priority.URGENT, picture=PictureChoice.THUMBNAIL)
    job_id = jobs.enqueue(service.engine, record_ids(records, first=first), options).job_id
    began = time.monotonic()
    seen_at: list[float] = []
    while (count := enriched(service.engine, job_id)) < records:
        now = time.monotonic() - began
        if count and not seen_at:
            seen_at.append(now)
        if now > PATIENCE:
            raise TimeoutError(f"{count} of {records} records are enriched after {PATIENCE:.0f} s")
        time.sleep(LOOK_EVERY)
    last = time.monotonic() - began
    return Soon(first=seen_at[0] if seen_at else last, last=last)


def measure(service: TinyService, *, jobs_run: int, records: int) -> list[Soon]:
    """Run one job after the other; the first does not count, since the worker starts for it."""
    rng = random.Random(1)
    times = []
    with service.worker():
        for number in range(jobs_run + 1):
            times.append(run_job(service, records=records, first=number * records))
            time.sleep(rng.uniform(SHORTEST_REST, LONGEST_REST))
    return times[1:]


def main(
    jobs_run: Annotated[int, typer.Option("--jobs", min=1)] = 10,
    records: Annotated[int, typer.Option(min=1, help="Of a job.")] = 200,
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        tiny_service(Path(folder), records=(jobs_run + 1) * records, latency=LATENCY) as service,
    ):
        times = measure(service, jobs_run=jobs_run, records=records)
    first, last = [each.first for each in times], [each.last for each in times]
    finish(
        figures={
            "jobs": len(times),
            "records_of_a_job": records,
            "first_seconds": round(median(first), 2),
            "first_seconds_worst": round(max(first), 2),
            "last_seconds": round(median(last), 2),
            "last_seconds_worst": round(max(last), 2),
        },
        bars={
            "jobs": at_least(jobs_run),
            "first_seconds_worst": at_most(MOST_FIRST),
            "last_seconds_worst": at_most(MOST_LAST),
        },
    )


if __name__ == "__main__":
    typer.run(main)
