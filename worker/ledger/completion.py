"""The end of a job: all its chunks are closed.

It costs the same however many chunks a job has. Whether one is still open is seen from inside the
transaction that closes a chunk; then the job is closed in a transaction of its own. If two workers
close the last two chunks at the same time, neither sees an end, and the sweep closes the job.
"""

from uuid import UUID

from sqlalchemy import Connection, text

# Chunks are looked for from the ends of their indexes, the ready ones first. At the beginnings are
# entries of chunks that are done since, until they are vacuumed away; to walk over them took five
# milliseconds. The order is in a query of its own, so that Postgres chooses no other way.
_IS_OPEN = """(
    EXISTS (SELECT FROM (
        SELECT FROM job_chunk WHERE job_id = job.id AND state = 'ready'
        ORDER BY put_off DESC, not_before DESC, number DESC LIMIT 1) AS last)
    OR EXISTS (SELECT FROM (
        SELECT FROM job_chunk WHERE job_id = job.id AND state = 'leased'
        ORDER BY number DESC LIMIT 1) AS last)
)"""
_IS_OVER = text(f"SELECT NOT {_IS_OPEN} FROM job WHERE id = :job_id")
_OVER = text(f"SELECT id FROM job WHERE state = 'running' AND NOT {_IS_OPEN}")
# Not FOR UPDATE: two transactions that both wrote rows that refer to the job would deadlock.
_LOCK_JOB = text("SELECT 1 FROM job WHERE id = :job_id FOR NO KEY UPDATE")
_CLOSE = text(f"""
    UPDATE job SET state = 'done', finished_at = now()
    WHERE id = :job_id AND state = 'running' AND NOT {_IS_OPEN}
""")


def lock_job(connection: Connection, job_id: UUID) -> None:
    connection.execute(_LOCK_JOB, {"job_id": job_id})


def is_over(connection: Connection, job_id: UUID) -> bool:
    """Whether no chunk of a job is open, as far as this transaction sees."""
    return bool(connection.execute(_IS_OVER, {"job_id": job_id}).scalar_one())


def jobs_over(connection: Connection) -> list[UUID]:
    return list(connection.execute(_OVER).scalars())


def close_if_over(connection: Connection, job_id: UUID) -> bool:
    """Close a running job of which no chunk is open; True for the one call that closes it.

    The lock comes first, in its own statement: chunks that a retry adds at the same time are seen.
    """
    lock_job(connection, job_id)
    return connection.execute(_CLOSE, {"job_id": job_id}).rowcount == 1
