"""The sweep: what becomes of a chunk whose lease ran out, since its worker fell silent or stumbled.

It is tried again, MAX_ATTEMPTS times in all, and then split into smaller chunks; a record that is
alone and still ends its workers is given up. So what kills or hangs a worker costs its neighbours
some time and no outcome.
"""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, text

from common.reasons import Reason
from worker.ledger.chunks import complete_job

SPLIT_INTO = 16  # chunks: 256 -> 16 -> 1
MAX_ATTEMPTS = 3  # claims of one chunk that end in silence

_EXPIRED = text("""
    SELECT chunk.job_id, chunk.number, cardinality(chunk.record_ids) AS records,
           chunk.attempt < :max_attempts OR job.state = 'cancelled' AS may_return
    FROM job_chunk AS chunk JOIN job ON job.id = chunk.job_id
    WHERE chunk.state = 'leased' AND chunk.lease_until < now()
    ORDER BY chunk.lease_until LIMIT 100 FOR UPDATE OF chunk SKIP LOCKED
""")
_RETURN = text("""
    UPDATE job_chunk
    SET state = 'ready', lease_until = '-infinity', hinted_at = '-infinity', worker = NULL
    WHERE job_id = :job_id AND number = :number
""")
_SPLIT = text("""
    WITH numbered AS (
        UPDATE job SET chunks = chunks + :parts WHERE id = :job_id RETURNING chunks - :parts AS last
    ), parent AS (
        DELETE FROM job_chunk WHERE job_id = :job_id AND number = :number
        RETURNING record_ids, retries, waiting_since
    )
    INSERT INTO job_chunk (job_id, number, record_ids, retries, waiting_since)
    SELECT :job_id, last + part + 1,
           record_ids[part * :size + 1 : (part + 1) * :size], retries, waiting_since
    FROM numbered, parent, generate_series(0, :parts - 1) AS part
""")
_BURY = text("""
    WITH buried AS (
        UPDATE job_chunk
        SET state = 'dead', lease_until = '-infinity', settled_at = now(), failed = 1
        WHERE job_id = :job_id AND number = :number
        RETURNING job_id, record_ids[1] AS record_id, attempt
    )
    INSERT INTO job_failure (job_id, record_id, stage, reason, detail)
    SELECT job_id, record_id, 'worker', :reason,
           'the worker failed or was lost ' || attempt || ' times with this record alone'
    FROM buried
""")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What a sweep found: chunks returned, split and dead."""

    returned: int
    split: int
    dead: int


def sweep(connection: Connection) -> Sweep:
    """Deal with leases that ran out: return, split or bury their chunks."""
    expired = connection.execute(_EXPIRED, {"max_attempts": MAX_ATTEMPTS}).mappings()
    fates = Counter(_decide(connection, row) for row in expired.all())
    return Sweep(returned=fates["returned"], split=fates["split"], dead=fates["dead"])


def _decide(connection: Connection, expired: RowMapping) -> str:
    chunk = {"job_id": expired["job_id"], "number": expired["number"]}
    if expired["may_return"]:
        connection.execute(_RETURN, chunk)
        return "returned"
    if expired["records"] > 1:
        connection.execute(_SPLIT, {**chunk, **_parts(expired["records"])})
        return "split"
    connection.execute(_BURY, {**chunk, "reason": Reason.KILLED_WORKER.code})
    complete_job(connection, expired["job_id"])
    return "dead"


def _parts(records: int) -> dict[str, int]:
    size = -(-records // SPLIT_INTO)
    return {"size": size, "parts": -(-records // size)}
