"""Jobs: accepting lists of record IDs, and telling how far they have come."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.errors import ModelError, UsageError
from common.images.thumbnails import Picture
from common.store.bulk import copy_rows
from worker.chunks import CHUNK_SIZE


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What became of a list of record IDs: a job of `total` records, `duplicates` left out."""

    job_id: UUID
    total: int
    duplicates: int
    already_known: bool = False


_ACTIVE_MODEL = text("SELECT id FROM model WHERE stage = 'active'")
_KNOWN = text("SELECT id, total FROM job WHERE idempotency_key = :idempotency_key")
_CREATE = text("""
    INSERT INTO job (model_id, priority, picture, submitter, idempotency_key)
    VALUES (:model_id, :priority, :picture, :submitter, :idempotency_key)
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING id
""")
_SUBMITTED = text("CREATE TEMPORARY TABLE submitted (record_id text) ON COMMIT DROP")
# The order by hash spreads the records of one museum, and so of one image host, over all chunks.
_CHUNKS = text("""
    WITH placed AS (
        SELECT record_id, (row_number() OVER (ORDER BY hashtext(record_id), record_id) - 1)
               / :chunk_size AS place
        FROM (SELECT DISTINCT record_id FROM submitted) AS distinct_ids
    )
    INSERT INTO job_chunk (job_id, number, record_ids)
    SELECT :job_id, place + 1, array_agg(record_id) FROM placed GROUP BY place
""")
_COUNT = text("SELECT count(*) FROM submitted")
_TOTAL = text("""
    UPDATE job SET total = counted.records, chunks = counted.chunks
    FROM (SELECT coalesce(sum(cardinality(record_ids)), 0) AS records, count(*) AS chunks
          FROM job_chunk WHERE job_id = :job_id) AS counted
    WHERE id = :job_id RETURNING total
""")


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """How a job is to be worked on; see `worker enqueue --help`."""

    priority: Literal["urgent", "bulk"] = "bulk"
    picture: Picture = "auto"
    submitter: str | None = None
    idempotency_key: str | None = None


def enqueue(
    engine: Engine, record_ids: Iterable[str], options: JobOptions | None = None
) -> Accepted:
    """Make a job for the active model of any number of record IDs; streams, all or nothing.

    Whatever `record_ids` raises leaves no job behind. With an idempotency key that a job already
    has, nothing is added and that job is returned.

    Raises:
        ModelError: no model is active.
        UsageError: there is not a single record ID.
    """
    asked = asdict(options or JobOptions())
    with engine.begin() as connection:
        asked["model_id"] = _active_model(connection)
        job_id = connection.execute(_CREATE, asked).scalar_one_or_none()
        if job_id is None:
            return _known(connection, asked)
        connection.execute(_SUBMITTED)
        copy_rows(connection, "submitted", ["record_id"], ((each,) for each in record_ids))
        return _filled(connection, job_id)


def _active_model(connection: Connection) -> int:
    model_id: int | None = connection.execute(_ACTIVE_MODEL).scalar_one_or_none()
    if model_id is None:
        raise ModelError("No model is active; promote one: trainer promote EXPERIMENT")
    return model_id


def _known(connection: Connection, asked: dict[str, Any]) -> Accepted:
    row = connection.execute(_KNOWN, asked).one()
    return Accepted(job_id=row.id, total=row.total, duplicates=0, already_known=True)


def _filled(connection: Connection, job_id: UUID) -> Accepted:
    connection.execute(_CHUNKS, {"job_id": job_id, "chunk_size": CHUNK_SIZE})
    submitted: int = connection.execute(_COUNT).scalar_one()
    total: int = connection.execute(_TOTAL, {"job_id": job_id}).scalar_one()
    if total == 0:
        raise UsageError("There is no record ID to enqueue.")
    return Accepted(job_id=job_id, total=total, duplicates=submitted - total)


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a job has come; the three outcomes and `waiting` add up to `total` records."""

    job_id: UUID
    state: str
    model: str
    priority: str
    total: int
    enriched: int
    below_threshold: int
    failed: int
    failures: dict[str, int]
    created_at: datetime
    finished_at: datetime | None

    @property
    def settled(self) -> int:
        """Records that have their outcome."""
        return self.enriched + self.below_threshold + self.failed

    @property
    def waiting(self) -> int:
        """Records that have no outcome yet."""
        return self.total - self.settled

    def as_json(self) -> dict[str, Any]:
        """The status as a JSON object."""
        return {
            "job": str(self.job_id),
            "state": self.state,
            "model": self.model,
            "total": self.total,
            "enriched": self.enriched,
            "below_threshold": self.below_threshold,
            "failed": self.failed,
            "waiting": self.waiting,
            "failures": self.failures,
        }


_STATUS = text("""
    SELECT job.id AS job_id, job.state, job.priority, job.total, job.created_at, job.finished_at,
           model.name || ' v' || model.version AS model,
           coalesce(sum(chunk.enriched), 0) AS enriched,
           coalesce(sum(chunk.below_threshold), 0) AS below_threshold,
           coalesce(sum(chunk.failed), 0) AS failed
    FROM job JOIN model ON model.id = job.model_id LEFT JOIN job_chunk AS chunk ON job_id = job.id
    WHERE job.id = :job_id GROUP BY job.id, model.id
""")
_FAILURES = text("""
    SELECT reason, count(*) AS records FROM job_failure WHERE job_id = :job_id
    GROUP BY reason ORDER BY records DESC, reason
""")


def status(engine: Engine, job_id: UUID) -> Status:
    """How far a job has come, at one moment.

    Raises:
        UsageError: there is no such job.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        row = connection.execute(_STATUS, {"job_id": job_id}).mappings().one_or_none()
        if row is None:
            raise UsageError(f"There is no job {job_id}.")
        failures = connection.execute(_FAILURES, {"job_id": job_id})
        return Status(**row, failures={each.reason: each.records for each in failures})
