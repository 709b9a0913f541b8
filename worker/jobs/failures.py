"""The failed records of a job, one after the other, however many there are."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import TextIO
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.errors import UsageError
from common.process.foreign_text import guard_row
from common.store.session import allow_pauses
from worker.jobs.names import check_name
from worker.jobs.parts import ALL_CHUNKS, ChunkNumbers
from worker.jobs.prune import check_not_pruned

ROWS_AT_ONCE = 5_000  # from the server's cursor
_INSTEAD = (
    "You can still see its numbers: worker status JOB. To find the reasons again, enqueue "
    "its records again."
)


@dataclass(frozen=True, kw_only=True)
class FailedRecord:
    """A record that a job could not enrich: where and why it failed, after how many attempts."""

    record_id: str
    stage: str
    reason: str
    detail: str
    attempts: int
    failed_at: datetime


# The chunk of a record knows its attempts: those that failed for a passing reason, and the last.
_FAILED = text("""
    SELECT failure.record_id, failure.stage, failure.reason, failure.detail,
           CASE chunk.state WHEN 'dead' THEN chunk.attempt ELSE chunk.retries + 1 END AS attempts,
           failure.failed_at
    FROM job_chunk AS chunk CROSS JOIN LATERAL unnest(chunk.record_ids) AS asked(id)
    JOIN job_failure AS failure ON failure.job_id = chunk.job_id AND failure.record_id = asked.id
    WHERE chunk.job_id = :job_id AND chunk.failed > 0
      AND chunk.number BETWEEN :first_chunk AND :last_chunk
      AND (:every OR failure.reason = ANY(CAST(:reasons AS text[])))
    ORDER BY failure.record_id COLLATE "C"
""")
_REASONS = text("""
    SELECT reason, count(*) AS records FROM job_failure WHERE job_id = :job_id
    GROUP BY reason ORDER BY records DESC, reason
""")


def count_reasons(connection: Connection, job_id: UUID) -> dict[str, int]:
    """How many records failed for each reason, the most frequent first."""
    rows = connection.execute(_REASONS, {"job_id": job_id})
    return {row.reason: int(row.records) for row in rows}


def count_failures(engine: Engine, job_id: UUID, reasons: Sequence[str] = ()) -> dict[str, int]:
    """How many records of a job failed for each of these reasons, or for each that there is.

    Raises:
        UsageError: no record failed for one of the reasons, and the message names those that there
            are; or the list of failures was removed.
    """
    with engine.connect() as connection:
        check_not_pruned(connection, job_id, instead=_INSTEAD)
        by_reason = count_reasons(connection, job_id)
    for reason in reasons:
        check_name(reason, "reason")
        if reason not in by_reason:
            there_are = ", ".join(f"{name} ({count:,})" for name, count in by_reason.items())
            raise UsageError(
                f"No record of job {job_id} failed for the reason {reason!r}. "
                f"Reasons: {there_are or 'none, since no record has failed'}."
            )
    return {reason: by_reason[reason] for reason in reasons or by_reason}


@contextmanager
def failures(
    engine: Engine,
    job_id: UUID,
    reasons: Sequence[str] = (),
    *,
    chunks: ChunkNumbers = ALL_CHUNKS,
) -> Iterator[Iterator[FailedRecord]]:
    """The failed records of a job in the order of their IDs, for as long as the block lasts.

    Args:
        reasons: only records that failed for one of them; all if there are none.
        chunks: only records of these chunks.
    """
    asked = {"job_id": job_id, "every": not reasons, "reasons": list(reasons)}
    asked |= chunks.parameters()
    with engine.connect() as connection:
        allow_pauses(connection)  # the reader of the output may be slow
        streaming = connection.execution_options(yield_per=ROWS_AT_ONCE)
        with streaming.execute(_FAILED, asked) as rows:
            yield (FailedRecord(**row._mapping) for row in rows)


def write_csv(rows: Iterator[FailedRecord], stream: TextIO) -> int:
    count = 0
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(field.name for field in fields(FailedRecord))
    for row in rows:
        writer.writerow(guard_row(tuple(map(_cell, astuple(row)))))
        count += 1
    return count


def _cell(value: object) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
