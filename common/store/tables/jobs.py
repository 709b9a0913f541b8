"""What is to be enriched, and how far that has come: the ledger (`worker/ledger/chunks.py`)."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DDL,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    event,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.reasons import Stage
from common.store.tables.base import Base, one_of


class JobState(StrEnum):
    """Where a job stands. A paused job is not done until it is resumed."""

    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self in (JobState.DONE, JobState.CANCELLED)


UNFINISHED = "state IN ('running', 'paused')"
"""In SQL, of a job that is not over."""


class ChunkState(StrEnum):
    """Where a chunk stands; see `worker/ledger/chunks.py` for what changes it."""

    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    DEAD = "dead"  # its only record killed workers


class Priority(StrEnum):
    URGENT = "urgent"
    BULK = "bulk"


class PictureChoice(StrEnum):
    """Which pictures are looked at: one source, or the file and then its thumbnail (auto)."""

    THUMBNAIL = "thumbnail"
    MEDIA = "media"
    AUTO = "auto"


class Job(Base):
    """A batch of records to enrich with one model, with heatmaps if `explain` is set.

    Pictures that the encoder has seen are not looked at again, unless `look_again` is set, or they
    were seen longer than `max_age` ago. `chunks` counts the chunk numbers in use; `total` counts
    its records. `routes` maps data providers to the model on the same encoder that serves them;
    other records get `model_id`. `also_models` names those of the routes for workers before 0019.
    `name` is what people call the job; a later job may have it too (`worker/jobs/names.py`).
    `pruned_at` is when its chunks and failures were removed (`worker/jobs/prune.py`).
    `request_sha256` is the hash of the request that made it, if the request has an idempotency key.
    """

    __tablename__ = "job"
    __table_args__ = (
        one_of("state", *JobState),
        one_of("priority", *Priority),
        one_of("picture", *PictureChoice),
        CheckConstraint("total >= 0", name="total_not_negative"),
        CheckConstraint("chunks >= 0", name="chunks_not_negative"),
        CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('done', 'cancelled'))", name="finished_has_time"
        ),
        CheckConstraint("length(request_sha256) = 32", name="request_sha256_form"),
        Index("ix_job_running", "created_at", postgresql_where=text("state = 'running'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    name: Mapped[str | None] = mapped_column(index=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    state: Mapped[str] = mapped_column(server_default=JobState.RUNNING)
    priority: Mapped[str] = mapped_column(server_default=Priority.BULK)
    picture: Mapped[str] = mapped_column(server_default=PictureChoice.AUTO)
    explain: Mapped[bool] = mapped_column(server_default=false())
    also_models: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{}")
    look_again: Mapped[bool] = mapped_column(server_default=false())
    max_age: Mapped[timedelta | None]
    routes: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    total: Mapped[int] = mapped_column(BigInteger, server_default="0")
    chunks: Mapped[int] = mapped_column(server_default="0")
    submitter: Mapped[str | None]
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    request_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    pruned_at: Mapped[datetime | None]


JOB_MODELS = """array_prepend(job.model_id, ARRAY(
    SELECT DISTINCT CAST(value AS int) FROM jsonb_each_text(job.routes) ORDER BY 1))"""
"""The numbers of a job's models in SQL; the first one answers where there is no route."""


class JobChunk(Base):
    """Up to 256 records of a job that one worker takes at a time.

    Every record of a job is in exactly one chunk. `attempt` counts claims that did not finish,
    `retries` how often the records were put off for a transient failure. `token` rises with each
    claim: a worker that finishes with an older one is fenced off. `waiting_since` is when its
    records were first put off without a try, because their host was unavailable. `hinted_at` is for
    workers of a release before 0013, which send hints at chunks to one another. The five counts are
    the outcomes of a chunk that was settled, done or dead, and add up to its records; of `blocked`
    ones a concept was found that may not be written (`decision`). `read` of them had their pictures
    read from the embeddings that are kept. `said` counts what each model said of each data
    provider's pictures (`common/vision/answers/drift.py`); a worker before 0010 leaves it empty.
    """

    __tablename__ = "job_chunk"
    __table_args__ = (
        one_of("state", *ChunkState),
        CheckConstraint("cardinality(record_ids) BETWEEN 0 AND 256", name="record_ids_bounded"),
        CheckConstraint(
            "attempt >= 0 AND retries >= 0 AND token >= attempt", name="token_covers_attempts"
        ),
        CheckConstraint(
            "enriched >= 0 AND below_threshold >= 0 AND unlike >= 0 AND failed >= 0 AND "
            "blocked >= 0 AND (state NOT IN ('done', 'dead') OR"
            " enriched + below_threshold + unlike + failed + blocked = cardinality(record_ids))",
            name="outcomes_add_up",
        ),
        CheckConstraint(
            "(settled_at IS NOT NULL) = (state IN ('done', 'dead'))", name="settled_has_time"
        ),
        Index(
            "ix_job_chunk_ready",
            *("job_id", "put_off", "not_before", "number"),
            postgresql_where=text("state = 'ready'"),
        ),
        # Without `lease_until`: so a renewal changes no index.
        Index("ix_job_chunk_leased", "job_id", "number", postgresql_where=text("state = 'leased'")),
        Index(
            "ix_job_chunk_settled",
            *("job_id", "settled_at"),
            postgresql_where=text("settled_at IS NOT NULL"),
        ),
        # Rows are changed three times and more. Room in their pages, and lists of IDs beside the
        # table, keep that cheap; vacuum clears away what is left of the former rows in time.
        {
            "postgresql_with": {
                "fillfactor": 80,
                "toast_tuple_target": 512,
                "autovacuum_vacuum_scale_factor": 0.02,
                "autovacuum_analyze_scale_factor": 0.05,
            }
        },
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    record_ids: Mapped[list[str]]
    state: Mapped[str] = mapped_column(server_default=ChunkState.READY)
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    retries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    token: Mapped[int] = mapped_column(BigInteger, server_default="0")
    lease_until: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    not_before: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    hinted_at: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    waiting_since: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    worker: Mapped[str | None]
    enriched: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    below_threshold: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    failed: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    read: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    unlike: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    blocked: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    said: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    put_off: Mapped[bool | None] = mapped_column(
        Computed("retries > 0 OR waiting_since IS NOT NULL", persisted=True)
    )


class JobOutcomes(Base):
    """What the records of a job came to, in sums over its chunks, and how many are put off.

    A trigger on `job_chunk` keeps them (`common/store/tables/triggers.py`).
    """

    __tablename__ = "job_outcomes"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    part: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    enriched: Mapped[int] = mapped_column(BigInteger)
    unlike: Mapped[int] = mapped_column(BigInteger)
    below_threshold: Mapped[int] = mapped_column(BigInteger)
    blocked: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    read: Mapped[int] = mapped_column(BigInteger)
    put_off: Mapped[int] = mapped_column(BigInteger)


class JobFailure(Base):
    __tablename__ = "job_failure"
    __table_args__ = (one_of("stage", *Stage),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    record_id: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str] = mapped_column(server_default="")
    failed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class JobFailureCount(Base):
    """How many records of a job failed for a reason; a part may be below zero, their sum is not.

    A trigger on `job_failure` keeps them (`common/store/tables/triggers.py`).
    """

    __tablename__ = "job_failure_count"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    part: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    records: Mapped[int] = mapped_column(BigInteger)


ALIVE_SECONDS = 30.0  # since the last word of a worker; it tells every few seconds


class WorkerProcess(Base):
    """A worker that runs or was lost: it writes its row every few seconds until its end.

    `problems` are a list of objects: `what` keeps it from working, and `since` when. `took_at` is
    when it last began a chunk. `in_float32` names the models whose float16 was refused on `device`.
    """

    __tablename__ = "worker_process"

    name: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    took_at: Mapped[datetime | None]
    problems: Mapped[list[Any]] = mapped_column(JSONB, server_default="[]")
    device: Mapped[str] = mapped_column(server_default="")
    in_float32: Mapped[list[Any]] = mapped_column(JSONB, server_default="[]")


# What scaling asks for (docs/reference/ledger-load.md). Counts end at a bound and follow the order
# of an index, so that they cost the same however many chunks a job has.
LEDGER_LOAD = """
CREATE VIEW ledger_load AS
SELECT claimable.*, in_work.* FROM (
    SELECT coalesce(sum(fresh) FILTER (WHERE priority = 'urgent'), 0)::int AS urgent_fresh,
           coalesce(sum(put_off) FILTER (WHERE priority = 'urgent'), 0)::int AS urgent_put_off,
           coalesce(sum(fresh) FILTER (WHERE priority = 'bulk'), 0)::int AS bulk_fresh,
           coalesce(sum(put_off) FILTER (WHERE priority = 'bulk'), 0)::int AS bulk_put_off
    FROM (
        SELECT priority,
               (SELECT count(*) FROM (
                    SELECT FROM job_chunk
                    WHERE job_id = job.id AND state = 'ready' AND put_off = false
                      AND not_before <= now()
                    ORDER BY not_before, number LIMIT 1000) AS bounded) AS fresh,
               (SELECT count(*) FROM (
                    SELECT FROM job_chunk
                    WHERE job_id = job.id AND state = 'ready' AND put_off = true
                      AND not_before <= now()
                    ORDER BY not_before, number LIMIT 1000) AS bounded) AS put_off
        FROM job WHERE state = 'running'
    ) AS of_job
) AS claimable, (
    SELECT count(*) FILTER (WHERE priority = 'urgent')::int AS urgent_in_work,
           count(*) FILTER (WHERE priority = 'bulk')::int AS bulk_in_work
    FROM (
        SELECT job_id FROM job_chunk WHERE state = 'leased' ORDER BY job_id, number LIMIT 10000
    ) AS leased JOIN job ON job.id = leased.job_id WHERE job.state <> 'cancelled'
) AS in_work
"""
event.listen(Base.metadata, "after_create", DDL(LEDGER_LOAD))  # type: ignore[no-untyped-call]
