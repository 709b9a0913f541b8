"""An urgent job of 200 records beside a bulk job of a million: does it wait, and can you steer
jobs?

    python -m benchmarks.fairness [--records 1000000] [--urgent-jobs 5] [--flood-jobs 120]

The worker has its defaults. Its hosts are slow enough for a chunk to take about ten seconds, as in
real use. Urgent jobs are enqueued at random moments. The time of a job is from its acceptance to
its end, in units of a bulk chunk at that time, from its claim to its end. Then comes a flood:
urgent jobs at once, so many that some of their records always wait. The bulk job's share of the
worker is its share of the chunks in work, read ten times a second, after the chunks from before
have ended. Each chunk has the same number of downloads at a time, so this is its share of the
hosts' answers and of the worker's places.

At the end the bulk job is paused (how many chunks begin after that?), resumed (when does the next
one begin?) and cancelled (when is the last one dropped?).
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

from benchmarks.parts.report import at_least, at_most, between, finish
from benchmarks.parts.services import wait_for
from benchmarks.parts.tiny_service import TinyService, record_ids, tiny_service
from benchmarks.parts.watching import watching
from common.store.tables import PictureChoice, Priority
from worker import jobs

URGENT = 200  # records
LATENCY = 0.15  # seconds until a host answers
CONNECTIONS = "4"  # downloads at a time per chunk: 256 take 10 seconds
LOOKS_PER_SECOND = 10
SLACK = 5.0  # seconds after the pause in which no chunk may begin
FLOOD_SECONDS = 120.0
LEAST_SHARE, MOST_SHARE = 1 / 8, 1 / 3  # of a bulk job in the flood

_CHUNKS = text("""
    SELECT number, token, state FROM job_chunk
    WHERE job_id = :job_id AND (state = 'leased' OR settled_at IS NOT NULL)
""")
_CLAIMS = text("SELECT coalesce(sum(token), 0) FROM job_chunk WHERE job_id = :job_id")
_LEASED = text("SELECT count(*) FROM job_chunk WHERE job_id = :job_id AND state = 'leased'")
_IN_WORK = text("""
    SELECT count(*) FILTER (WHERE job_id = :job_id) AS bulk, count(*) AS chunks FROM job_chunk
    WHERE state = 'leased' AND retries = 0 AND waiting_since IS NULL
""")
_URGENT_WAITING = text("""
    SELECT coalesce(sum(cardinality(record_ids)), 0) FROM job_chunk
    WHERE job_id <> :job_id AND state = 'ready'
""")


class ChunkTimes:
    """How long the chunks of a job are in work, measured from outside."""

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


class ShareInWork:
    """The share of a job in the chunks in work, without put-off ones, read many times."""

    def __init__(self, engine: Engine, job_id: UUID) -> None:
        self._engine = engine
        self._job_id = job_id
        self._bulk = self._chunks = 0

    @property
    def share(self) -> float:
        return self._bulk / self._chunks

    def watched(self) -> AbstractContextManager[None]:
        """Look again and again until the block ends."""
        return watching(self._look, per_second=LOOKS_PER_SECOND)

    def _look(self) -> None:
        with self._engine.connect() as connection:
            row = connection.execute(_IN_WORK, {"job_id": self._job_id}).one()
        self._bulk += row.bulk
        self._chunks += row.chunks


def flooded(engine: Engine, bulk: UUID, *, flood_jobs: int, last: int) -> dict[str, float]:
    """The share that a bulk job has while records of urgent jobs, up to the last one, wait."""
    options = jobs.JobOptions(priority=Priority.URGENT, picture=PictureChoice.MEDIA)
    before = _chunks_in_work(engine, bulk)
    flood = [
        jobs.enqueue(engine, record_ids(URGENT, first=last - (each + 1) * URGENT), options).job_id
        for each in range(flood_jobs)
    ]
    wait_for(lambda: not before & _chunks_in_work(engine, bulk))
    in_work = ShareInWork(engine, bulk)
    with in_work.watched():
        time.sleep(FLOOD_SECONDS)
    waiting = counted(engine, _URGENT_WAITING, bulk)
    for each in flood:
        if jobs.status(engine, each).finished_at is None:
            jobs.cancel(engine, each)
    return {
        "flood_records_waiting": waiting,
        "bulk_share_of_chunks": round(in_work.share, 3),
    }


def _chunks_in_work(engine: Engine, job_id: UUID) -> set[int]:
    with engine.connect() as connection:
        rows = connection.execute(_CHUNKS, {"job_id": job_id})
        return {row.number for row in rows if row.state == "leased"}


def counted(engine: Engine, statement: TextClause, job_id: UUID) -> int:
    """The count that a statement returns for a job."""
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


def measure(
    service: TinyService, *, records: int, urgent_jobs: int, flood_jobs: int
) -> dict[str, float]:
    """Run the bulk job, the urgent ones beside it, and an operator's commands."""
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
        last = records - urgent_jobs * URGENT
        shares = flooded(engine, bulk, flood_jobs=flood_jobs, last=last)
        figures = shares | steered(engine, bulk)
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
    records: Annotated[int, typer.Option(min=50_000)] = 1_000_000,
    urgent_jobs: Annotated[int, typer.Option(min=1)] = 5,
    flood_jobs: Annotated[int, typer.Option(min=1)] = 120,
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        tiny_service(Path(folder), records=records, latency=LATENCY) as service,
    ):
        figures = measure(service, records=records, urgent_jobs=urgent_jobs, flood_jobs=flood_jobs)
    finish(
        figures={"records": records, **figures},
        bars={
            "bulk_records_waiting": at_least(0.5 * records),
            "chunk_times_of_the_slowest": at_most(2),
            "flood_records_waiting": at_least(1),
            "bulk_share_of_chunks": between(LEAST_SHARE, MOST_SHARE),
            "chunks_begun_after_pause": at_most(0),
            "seconds_until_resumed": at_most(5),
            "seconds_until_cancelled": at_most(5),
        },
    )


if __name__ == "__main__":
    typer.run(main)
