"""Old jobs: their lists of records and their failures are removed on request.

Enrichments name their job, so the job stays, with what it was asked for and the counts of its
outcomes. A command that needs the lists of a job says that they were removed, and when, instead of
finding no line in them.

A job is one transaction. No worker works on a job that is over, and workers neither read nor lock
what is removed; only a retry of the same job waits. Removing ten million records takes seconds,
since a chunk holds 256 of them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.errors import UsageError
from common.process.terminal.progress import progress


@dataclass(frozen=True, kw_only=True)
class PrunedJobs:
    """How many jobs lost their lists, how many records they had, and how many had failed."""

    jobs: int
    records: int
    failures: int


@dataclass(frozen=True, kw_only=True)
class PrunableJobs:
    job_ids: tuple[UUID, ...]
    records: int


_IS_OLD = """
    state IN ('done', 'cancelled') AND pruned_at IS NULL
    AND finished_at <= now() - CAST(:older_than AS interval)
"""
_PRUNABLE = text(f"SELECT id, total FROM job WHERE {_IS_OLD} ORDER BY finished_at, id")
# First: a retry that came before it has the job run again, and one that comes after it is refused.
_NOTE = text(f"UPDATE job SET pruned_at = now() WHERE id = :job_id AND {_IS_OLD} RETURNING total")
_FORGET_FAILURES = text("DELETE FROM job_failure WHERE job_id = :job_id")
_FORGET_CHUNKS = text("DELETE FROM job_chunk WHERE job_id = :job_id")
_PRUNED_AT = text("SELECT pruned_at FROM job WHERE id = :job_id")


def prunable(engine: Engine, *, older_than: timedelta) -> PrunableJobs:
    """The jobs that have been over for longer than that and still have their lists."""
    with engine.connect() as connection:
        rows = connection.execute(_PRUNABLE, {"older_than": older_than}).all()
    return PrunableJobs(
        job_ids=tuple(row.id for row in rows), records=sum(row.total for row in rows)
    )


def prune(engine: Engine, *, older_than: timedelta) -> PrunedJobs:
    """Remove the lists of records and the failures of jobs that were over for longer than that.

    A call that is broken off leaves each job as it was, or pruned.
    """
    jobs = records = failures = 0
    found = prunable(engine, older_than=older_than)
    with progress("jobs", len(found.job_ids)) as report:
        for job_id in found.job_ids:
            asked = {"job_id": job_id, "older_than": older_than}
            with engine.begin() as connection:
                total = connection.execute(_NOTE, asked).scalar_one_or_none()
                if total is not None:  # else it was just retried or pruned
                    failures += connection.execute(_FORGET_FAILURES, asked).rowcount
                    connection.execute(_FORGET_CHUNKS, asked)
                    jobs, records = jobs + 1, records + total
            report.advance(note="")
    return PrunedJobs(jobs=jobs, records=records, failures=failures)


def pruned_at(connection: Connection, job_id: UUID) -> datetime | None:
    """When the lists of a job were removed; None if it has them, or there is no such job."""
    found: datetime | None = connection.execute(_PRUNED_AT, {"job_id": job_id}).scalar()
    return found


def told_pruned(job_id: UUID, pruned: datetime) -> str:
    return f"The records of job {job_id} were removed on {pruned:%Y-%m-%d} by worker prune."


def check_not_pruned(connection: Connection, job_id: UUID, *, instead: str) -> None:
    """Refuse a job whose lists were removed.

    Args:
        instead: what to do instead, a sentence.

    Raises:
        UsageError: says when they were removed.
    """
    pruned = pruned_at(connection, job_id)
    if pruned is not None:
        raise UsageError(f"{told_pruned(job_id, pruned)} {instead}")
