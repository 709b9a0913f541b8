"""What an operator can do to a job: pause, resume, cancel, retry failed records.

Each is one short transaction that only changes rows. Running workers notice the change, because
they check the job before each claim, at each renewal of a lease and before they write.

    running <--pause, resume--> paused      chunks in work are finished, no more are begun
    running, paused --cancel--> cancelled   chunks in work are dropped; existing outcomes stay
    running, paused, done --retry--> running (or still paused)
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.errors import UsageError
from common.store.signals import wake_workers
from common.store.tables import JobState
from worker.jobs.failures import count_reasons
from worker.jobs.names import check_name
from worker.jobs.prune import check_not_pruned
from worker.ledger.completion import close_if_over
from worker.ledger.cutting import CHUNK_SIZE

_STATE = text("SELECT state FROM job WHERE id = :job_id FOR NO KEY UPDATE")
_SET = text("""
    UPDATE job SET state = :state, finished_at = CASE WHEN :state = 'cancelled' THEN now() END
    WHERE id = :job_id
""")


def pause(engine: Engine, job_id: UUID) -> None:
    """Pause a job. Workers finish the records that they have taken, and take no more records.

    Raises:
        UsageError: there is no such job, or it is over.
    """
    with engine.begin() as connection:
        _change(connection, job_id, "pause", JobState.PAUSED)


def resume(engine: Engine, job_id: UUID) -> None:
    """Continue a paused job.

    Raises:
        UsageError: there is no such job, or it is over.
    """
    with engine.begin() as connection:
        _change(connection, job_id, "resume", JobState.RUNNING)
        close_if_over(connection, job_id)
        wake_workers(connection)


def cancel(engine: Engine, job_id: UUID) -> None:
    """Give up all records without an outcome; outcomes and enrichments stay.

    Raises:
        UsageError: there is no such job, or it is done.
    """
    with engine.begin() as connection:
        _change(connection, job_id, "cancel", JobState.CANCELLED)


def _change(connection: Connection, job_id: UUID, verb: str, to: JobState) -> None:
    state = _lock(connection, job_id)
    if state is to:
        return
    if state.is_over:
        raise UsageError(f"Job {job_id} is {state}: there is nothing to {verb}.")
    connection.execute(_SET, {"job_id": job_id, "state": to})


def _lock(connection: Connection, job_id: UUID) -> JobState:
    state: str | None = connection.execute(_STATE, {"job_id": job_id}).scalar_one_or_none()
    if state is None:
        raise UsageError(f"There is no job {job_id}.")
    return JobState(state)


_AGAIN = "Enqueue its records again: worker enqueue FILE"
# Each failed record leaves the chunk that counted it. So every record stays in one chunk, and the
# counts of chunks still agree with their records and with the failures.
_RETRY = text("""
    WITH forgotten AS (
        DELETE FROM job_failure
        WHERE job_id = :job_id AND (:every OR reason = ANY(CAST(:reasons AS text[])))
        RETURNING record_id
    ), kept AS (
        SELECT chunk.number, count(forgotten.record_id) AS leaving,
               array_agg(asked.id) FILTER (WHERE forgotten.record_id IS NULL) AS record_ids
        FROM job_chunk AS chunk CROSS JOIN LATERAL unnest(chunk.record_ids) AS asked(id)
        LEFT JOIN forgotten ON forgotten.record_id = asked.id
        WHERE chunk.job_id = :job_id AND chunk.failed > 0
        GROUP BY chunk.number HAVING count(forgotten.record_id) > 0
    ), left_behind AS (
        UPDATE job_chunk AS chunk
        SET record_ids = coalesce(kept.record_ids, '{}'), failed = chunk.failed - kept.leaving
        FROM kept WHERE chunk.job_id = :job_id AND chunk.number = kept.number
    ), placed AS (
        SELECT record_id, (row_number() OVER (ORDER BY hashtext(record_id), record_id) - 1)
               / :chunk_size AS place
        FROM forgotten
    ), numbered AS (
        UPDATE job
        SET chunks = chunks + (SELECT coalesce(max(place) + 1, 0) FROM placed), finished_at = NULL,
            state = CASE state WHEN 'done' THEN 'running' ELSE state END
        WHERE id = :job_id AND EXISTS (SELECT 1 FROM forgotten)
        RETURNING chunks - (SELECT max(place) + 1 FROM placed) AS last
    ), added AS (
        INSERT INTO job_chunk (job_id, number, record_ids)
        SELECT :job_id, last + place + 1, array_agg(record_id) FROM placed, numbered
        GROUP BY place, last
    )
    SELECT count(*) FROM forgotten
""")


def retry(engine: Engine, job_id: UUID, reasons: Sequence[str] = ()) -> int:
    """Try failed records of a job again: all of them, or those that failed for these reasons.

    They become new chunks of the same job and get all their tries again. A done job runs again.

    Returns:
        How many records are tried again.

    Raises:
        UsageError: there is no such job, it was cancelled, no record failed for these reasons, or
            the list of failures was removed.
    """
    for reason in reasons:
        check_name(reason, "reason")
    asked = {
        "job_id": job_id,
        "every": not reasons,
        "reasons": list(reasons),
        "chunk_size": CHUNK_SIZE,
    }
    with engine.begin() as connection:
        if _lock(connection, job_id) is JobState.CANCELLED:
            raise UsageError(f"Job {job_id} was cancelled. {_AGAIN}")
        check_not_pruned(connection, job_id, instead=_AGAIN)
        records: int = connection.execute(_RETRY, asked).scalar_one()
        if records == 0:
            raise UsageError(_nothing_to_retry(connection, job_id, reasons))
        wake_workers(connection)
        return records


def _nothing_to_retry(connection: Connection, job_id: UUID, reasons: Sequence[str]) -> str:
    by_reason = count_reasons(connection, job_id)
    if not by_reason:
        return f"No record of job {job_id} has failed."
    there_are = ", ".join(f"{reason} ({records:,})" for reason, records in by_reason.items())
    return f"No record failed for the reason {' or '.join(reasons)}. Reasons: {there_are}."
