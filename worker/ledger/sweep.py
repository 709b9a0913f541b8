"""The sweep: what becomes of chunks whose worker died, hung or failed, and of jobs at their end.

Every worker sweeps now and then. A chunk whose lease ran out is tried MAX_ATTEMPTS times and then
split into smaller chunks. A record that is alone in its chunk and still ends its workers is given
up. So its neighbours are delayed, but they keep their outcomes.

Each chunk has a transaction of its own, and what another worker has locked is passed over: two
sweeps at once share the work, and one that hangs holds up one chunk.
"""

from collections import Counter

import structlog
from sqlalchemy import Connection, Engine, RowMapping, text

from common.process.periodic import PeriodicThread
from common.reasons import Reason
from common.store.signals import wake_workers
from worker.ledger.completion import close_if_over, jobs_over

SPLIT_INTO = 16  # chunks: 256 -> 16 -> 1
MAX_ATTEMPTS = 3  # claims of one chunk whose lease runs out
_EXPIRED = text("""
    SELECT chunk.job_id, chunk.number, cardinality(chunk.record_ids) AS records,
           chunk.attempt < :max_attempts OR job.state = 'cancelled' AS may_return
    FROM job_chunk AS chunk JOIN job ON job.id = chunk.job_id
    WHERE chunk.state = 'leased' AND chunk.lease_until < now()
    LIMIT 1 FOR UPDATE OF chunk SKIP LOCKED
""")
_RETURN = text("""
    UPDATE job_chunk SET state = 'ready', lease_until = '-infinity', worker = NULL
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
# Two statements, and the failure first: triggers count in the order of what changed.
_NOTE_FAILURE = text("""
    INSERT INTO job_failure (job_id, record_id, stage, reason, detail)
    SELECT job_id, record_ids[1], 'worker', :reason,
           'the worker failed or was lost ' || attempt || ' times with this record alone'
    FROM job_chunk WHERE job_id = :job_id AND number = :number
""")
_BURY = text("""
    UPDATE job_chunk
    SET state = 'dead', lease_until = '-infinity', settled_at = now(), failed = 1
    WHERE job_id = :job_id AND number = :number
""")
log = structlog.get_logger()


def sweep(engine: Engine) -> Counter[str]:
    """Return, split or give up the chunks whose leases ran out; close jobs that are over.

    Each such chunk is logged.

    Returns:
        How many chunks were `returned`, `split` and `dead`.
    """
    fates: Counter[str] = Counter()
    while fate := _sweep_one(engine):
        fates[fate] += 1
    with engine.connect() as connection:
        over = jobs_over(connection)
    for job_id in over:
        with engine.begin() as connection:
            close_if_over(connection, job_id)
    return fates


def _sweep_one(engine: Engine) -> str | None:
    with engine.begin() as connection:
        expired = connection.execute(_EXPIRED, {"max_attempts": MAX_ATTEMPTS})
        row = expired.mappings().one_or_none()
        fate = None if row is None else _decide(connection, row)
        if fate in ("returned", "split"):
            wake_workers(connection)
    if row is not None:
        log.warning(
            "a lease ran out", job=str(row["job_id"]), chunk=row["number"], the_chunk_is=fate
        )
    return fate


def _decide(connection: Connection, expired: RowMapping) -> str:
    chunk = {"job_id": expired["job_id"], "number": expired["number"]}
    if expired["may_return"]:
        connection.execute(_RETURN, chunk)
        return "returned"
    if expired["records"] > 1:
        connection.execute(_SPLIT, {**chunk, **_parts(expired["records"])})
        return "split"
    connection.execute(_NOTE_FAILURE, {**chunk, "reason": Reason.KILLED_WORKER.code})
    connection.execute(_BURY, chunk)
    return "dead"


def _parts(records: int) -> dict[str, int]:
    size = -(-records // SPLIT_INTO)
    return {"size": size, "parts": -(-records // size)}


class Sweeper(PeriodicThread):
    def __init__(self, engine: Engine, *, interval: float) -> None:
        super().__init__("sweeper", interval=interval)
        self._engine = engine

    def run_once(self) -> None:
        sweep(self._engine)
