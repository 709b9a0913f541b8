"""An urgent job of 200 records beside a bulk job of a million: does it wait, and is one heard?

    python -m benchmarks.fairness [--records 1000000] [--urgent-jobs 5]

A worker with its defaults, but that its hosts are slow enough for a chunk to take about ten
seconds, as in earnest. Urgent jobs are enqueued at random moments; the time of one is from its
acceptance to its end, in chunks as they take beside it: from the claim to the end. Then the bulk
job is paused (how many chunks are begun after that?), resumed (when is the next begun?) and
cancelled (when is the last one dropped?).
"""

import random
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy import Engine, TextClause, text

from benchmarks.parts.report import at_least, at_most, finish
from benchmarks.parts.tiny_service import TinyService, record_ids, tiny_service, wait_for
from benchmarks.parts.watching import watching
from common.store.tables import PictureChoice, Priority
from worker import jobs

URGENT = 200  # records
LATENCY = 0.15  # seconds until a host answers
CONNECTIONS = "4"  # downloads at a time, a chunk: 256 take 10 seconds
LOOKS_PER_SECOND = 10
SLACK = 5.0  # seconds after the pause in which no chunk may begin

_CHUNKS = text("""
    SELECT number, token, state FROM job_chunk
    WHERE job_id = :job_id AND (state = 'leased' OR settled_at IS NOT NULL)
""")
_CLAIMS = text("SELECT coalesce(sum(token), 0) FROM job_chunk WHERE job_id = :job_id")
_LEASED = text("SELECT count(*) FROM job_chunk WHERE job_id = :job_id AND state = 'leased'")


class ChunkTimes:
    """How long the chunks of a job are in work, seen from outside."""

    def __init__(self, engine: Engine, job_id: UUID) -> None:
        self._engine = engine
        self._job_id = job_id
        self._begun: dict[int, float] = {}
        self.seconds: list[float] = []

    def watched(self) -> AbstractContextManager[None]:
        """Look again and again until the block ends."""
        return watching(self._look, per_second=LOOKS_PER_SECOND)

    def _look(self) -> None:
        with self._engine.connect() as connection:
            rows = connection.execute(_CHUNKS, {"job_id": self._job_id}).all()
        now = time.monotonic()
        for row in rows:
            if row.state == "leased":
                self._begun.setdefault(row.number, now)
            elif row.number in self._begun:
                self.seconds.append(now - self._begun.pop(row.number))


def urgent_seconds(engine: Engine, number: int, count: int) -> float:
    """From the acceptance to the end of an urgent job, by the clock of the database."""
    first = count - (number + 1) * URGENT
    options = jobs.JobOptions(priority=Priority.URGENT, picture=PictureChoice.MEDIA)
    job_id = jobs.enqueue(engine, record_ids(URGENT, first=first), options).job_id
    wait_for(lambda: jobs.status(engine, job_id).state == "done")
    status = jobs.status(engine, job_id)
    assert status.finished_at is not None
    return (status.finished_at - status.created_at).total_seconds()


def counted(engine: Engine, statement: TextClause, job_id: UUID) -> int:
    """What a statement counts of a job."""
    with engine.connect() as connection:
        return int(connection.execute(statement, {"job_id": job_id}).scalar_one())


def steered(engine: Engine, job_id: UUID) -> dict[str, float]:
    """Pause, resume and cancel a job that is in work."""
    jobs.pause(engine, job_id)
    claims = counted(engine, _CLAIMS, job_id)
    time.sleep(SLACK)
    after_pause = counted(engine, _CLAIMS, job_id) - claims
    wait_for(lambda: counted(engine, _LEASED, job_id) == 0)
    claims = counted(engine, _CLAIMS, job_id)
    jobs.resume(engine, job_id)
    resumed = wait_for(lambda: counted(engine, _CLAIMS, job_id) > claims)
    wait_for(lambda: counted(engine, _LEASED, job_id) > 0)
    jobs.cancel(engine, job_id)
    cancelled = wait_for(lambda: counted(engine, _LEASED, job_id) == 0)
    return {
        "chunks_begun_after_pause": after_pause,
        "seconds_until_resumed": round(resumed, 2),
        "seconds_until_cancelled": round(cancelled, 2),
    }


def measure(service: TinyService, records: int, urgent_jobs: int) -> dict[str, float]:
    """The bulk job, the urgent ones beside it, and what an operator says."""
    rng = random.Random(1)
    engine = service.engine
    bulk = jobs.enqueue(
        engine, record_ids(records), jobs.JobOptions(picture=PictureChoice.MEDIA)
    ).job_id
    times = ChunkTimes(engine, bulk)
    with service.worker(WORKER_CONNECTIONS=CONNECTIONS), times.watched():
        wait_for(lambda: len(times.seconds) > 1)
        urgent = []
        for number in range(urgent_jobs):
            time.sleep(rng.uniform(0, 2 * times.seconds[-1]))
            urgent.append(urgent_seconds(engine, number, records))
        chunk_seconds = median(times.seconds)
        figures = steered(engine, bulk)
    waiting = jobs.status(engine, bulk).waiting
    return {
        "bulk_records_waiting": waiting,
        "urgent_jobs": urgent_jobs,
        "chunk_seconds": round(chunk_seconds, 2),
        "urgent_seconds": round(median(urgent), 2),
        "chunk_times_of_an_urgent_job": round(median(urgent) / chunk_seconds, 2),
        "chunk_times_of_the_slowest": round(max(urgent) / chunk_seconds, 2),
        **figures,
    }


def main(
    records: Annotated[int, typer.Option(min=20_000)] = 1_000_000,
    urgent_jobs: Annotated[int, typer.Option(min=1)] = 5,
) -> None:
    """Measure and report."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tiny_service(Path(folder), records=records, latency=LATENCY) as service,
    ):
        figures = measure(service, records, urgent_jobs)
    finish(
        figures={"records": records, **figures},
        bars={
            "bulk_records_waiting": at_least(0.5 * records),
            "chunk_times_of_the_slowest": at_most(2),
            "chunks_begun_after_pause": at_most(0),
            "seconds_until_resumed": at_most(5),
            "seconds_until_cancelled": at_most(5),
        },
    )


if __name__ == "__main__":
    typer.run(main)
