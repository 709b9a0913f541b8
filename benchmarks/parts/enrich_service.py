"""Jobs on a running service: a sandbox, Postgres, Valkey and a worker, each a process."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import psutil
from sqlalchemy import Engine, text

from benchmarks.parts.services import wait_for
from common.store.tables import PictureChoice
from worker import jobs

POLL_SECONDS = 0.5
TIMEOUT = 900.0  # seconds that a job may take

# A host takes 15 requests a second, two at a time: far more than it gets here.
LIMITS = {"FETCH_REQUESTS_PER_SECOND": "15", "FETCH_REQUESTS_AT_A_TIME": "2"}


@dataclass(frozen=True, kw_only=True)
class ServiceEnded:
    """A job, or the part of it that `run_until` waits for; seconds are from its acceptance."""

    pictures: int
    seconds: float
    cpu_seconds: dict[str, float]  # by process

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return self.pictures / self.seconds


@dataclass(frozen=True, kw_only=True)
class Service:
    """The running service; it has no jobs except the benchmark's."""

    engine: Engine
    worker: psutil.Process
    sandbox: psutil.Process

    def run(self, record_ids: Sequence[str], *, model: str, least: float = 1.0) -> ServiceEnded:
        """Enqueue records and wait until the job is done; at least the share `least` must be
        enriched.
        """
        before = self._cpu_seconds()
        job_id = self._enqueue(record_ids, model)
        wait_for(
            lambda: jobs.status(self.engine, job_id).state != "running",
            seconds=TIMEOUT,
            every=POLL_SECONDS,
        )
        status = jobs.status(self.engine, job_id)
        if status.finished_at is None or status.enriched < least * len(record_ids):
            raise SystemExit(f"not all records were enriched: {status}")
        seconds = (status.finished_at - status.created_at).total_seconds()
        return self._ended(len(record_ids), seconds, before)

    def run_until(
        self, record_ids: Sequence[str], awaited: Sequence[str], *, model: str
    ) -> ServiceEnded:
        before = self._cpu_seconds()
        job_id = self._enqueue(record_ids, model)
        wait_for(
            lambda: self._enriched(job_id, awaited)[0] == len(awaited),
            seconds=TIMEOUT,
            every=POLL_SECONDS,
        )
        ended = self._ended(*self._enriched(job_id, awaited), before)
        jobs.cancel(self.engine, job_id)
        return ended

    def _enqueue(self, record_ids: Sequence[str], model: str) -> UUID:
        options = jobs.JobOptions(picture=PictureChoice.MEDIA, model=model)
        return jobs.enqueue(self.engine, record_ids, options).job_id

    def _enriched(self, job_id: UUID, record_ids: Sequence[str]) -> tuple[int, float]:
        """How many of the records the job has enriched, and when it wrote the last of them."""
        asked = {"job_id": job_id, "record_ids": list(record_ids)}
        with self.engine.connect() as connection:
            row = connection.execute(_ENRICHED, asked).one()
        return row.records, row.seconds

    def _ended(self, pictures: int, seconds: float, before: dict[str, float]) -> ServiceEnded:
        after = self._cpu_seconds()
        spent = {name: round(after[name] - before[name], 2) for name in after}
        return ServiceEnded(pictures=pictures, seconds=seconds, cpu_seconds=spent)

    def _cpu_seconds(self) -> dict[str, float]:
        """By process; `services` are all processes of Postgres and Valkey."""
        own = {self.worker.pid: "worker", self.sandbox.pid: "sandbox"}
        own |= {child.pid: "decoders" for child in self.worker.children(recursive=True)}
        spent = {"worker": 0.0, "decoders": 0.0, "sandbox": 0.0, "services": 0.0}
        for process in psutil.Process().children(recursive=True):
            times = process.cpu_times()
            ended = times.children_user + times.children_system
            spent[own.get(process.pid, "services")] += times.user + times.system + ended
        return spent


_ENRICHED = text("""
    SELECT count(DISTINCT record_id) AS records,
           coalesce(extract(epoch FROM max(enrichment.updated_at) - min(job.created_at)), 0)::float
               AS seconds
    FROM enrichment JOIN job ON job.id = enrichment.job_id
    WHERE job_id = :job_id AND record_id = ANY(:record_ids)
""")
