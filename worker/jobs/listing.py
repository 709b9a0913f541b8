"""All jobs at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from worker.jobs.progress import RATE_SECONDS, RATE_SQL

SHOWN = 50  # jobs


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A job in the list; `settled` of its `total` records have their outcome."""

    job_id: UUID
    state: str
    priority: str
    model: str
    submitter: str | None
    total: int
    settled: int
    rate: float | None
    created_at: datetime
    age: timedelta

    def as_json(self) -> dict[str, Any]:
        """The job as a JSON object."""
        return {
            "job": str(self.job_id),
            "state": self.state,
            "priority": self.priority,
            "model": self.model,
            "submitter": self.submitter,
            "total": self.total,
            "settled": self.settled,
            "records_per_second": self.rate,
            "created_at": self.created_at.isoformat(),
            "age_seconds": self.age.total_seconds(),
        }


_JOBS = text(f"""
    SELECT job.id AS job_id, job.state, job.priority, job.submitter, job.total, job.created_at,
           now() - job.created_at AS age, model.name || ' v' || model.version AS model,
           (SELECT coalesce(sum(enriched + below_threshold + failed), 0) FROM job_chunk
            WHERE job_id = job.id) AS settled,
           CASE WHEN job.state = 'running' THEN ({RATE_SQL}) END AS rate
    FROM job JOIN model ON model.id = job.model_id
    WHERE job.state = ANY(CAST(:states AS text[]))
    ORDER BY job.state NOT IN ('running', 'paused'), job.created_at DESC LIMIT :shown
""")
STATES = ("running", "paused", "done", "cancelled")


def list_jobs(engine: Engine, states: Sequence[str] = STATES) -> list[JobRow]:
    """The jobs in these states, unfinished ones first, then the newest; SHOWN at most."""
    asked = {"states": list(states), "shown": SHOWN, "rate_seconds": RATE_SECONDS}
    with engine.connect() as connection:
        return [JobRow(**row) for row in connection.execute(_JOBS, asked).mappings()]
