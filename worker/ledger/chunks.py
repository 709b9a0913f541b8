"""The ledger: the states of a chunk of records, and the leases of the workers that change them.

    ready --claim--> leased --finish--> done
      ^                |
      +---give_back----+      the worker stops, or cannot work for a reason that may pass
      +---sweep--------+      the worker died, hung or failed: the lease ran out
      +---sweep, split-+      ... MAX_ATTEMPTS times: smaller chunks, to find the record at fault
    leased --sweep--> dead    ... in a chunk of one record: that record kills workers

There is one claim: a worker with a free thread asks for the best chunk, and gets it, or learns that
there is none. Which one is the best: `worker/ledger/rotation.py`. `sweep` has the sweep. Finishing
may put records off to a new chunk that is due later; that is claimed by threads of its own, since
it mostly waits for slow hosts. A retry moves failed records from done chunks to new ones
(`worker/jobs/steer.py`). Chunks of a paused job are not claimed; chunks of a cancelled job are
neither claimed, renewed nor finished.

Every transition is one statement or one short transaction, by the clock of the database. `token`
rises with each claim, and finishing needs the token of the claim: a worker that lost its lease
writes nothing (fencing, https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.store.signals import wake_workers
from common.store.tables import PictureChoice, Priority
from common.store.tables.outcomes import COUNTED
from common.vision.answers.tally import Tally
from worker.ledger.routes import Routes


@dataclass(frozen=True, kw_only=True)
class Lease:
    """One worker's right to one chunk, for as long as the worker renews it.

    `retries`: how often its records failed before. `waited_seconds`: how long they have waited for
    hosts that were unavailable. `explain`: whether the job wants heatmaps. `routes` say which model
    answers for a record. `look_again`, `max_age`: which pictures that were seen are looked at
    nevertheless. `claimed_at`: database time.
    """

    job_id: UUID
    number: int
    token: int
    priority: Priority = Priority.BULK
    retries: int
    routes: Routes
    picture: PictureChoice
    record_ids: tuple[str, ...]
    claimed_at: datetime
    explain: bool = False
    look_again: bool = False
    max_age: timedelta | None = None
    waited_seconds: float = 0.0
    attempt: int = 1

    @property
    def is_put_off(self) -> bool:
        """Whether its records were put off before, for a reason that may pass."""
        return self.retries > 0 or self.waited_seconds > 0

    @property
    def may_read(self) -> bool:
        """Whether a picture that the encoder saw before needs no look; heatmaps need pixels."""
        return not (self.look_again or self.explain)

    @property
    def times_given_back(self) -> int:
        """How often workers gave the chunk back unfinished, unexpected errors included.

        Leases that ran out because the worker died or hung do not count.
        """
        return self.token - self.attempt

    @property
    def is_suspect(self) -> bool:
        """Whether a worker was lost while it worked on this record, which is alone in its chunk."""
        return self.attempt > 1 and len(self.record_ids) == 1


class LeaseLostError(Exception):
    """The chunk is no longer this worker's: its results are dropped."""


# The jobs come in order, and each is asked for its first chunk until one has any: so one row is
# locked, and what others have locked is passed over.
_CLAIM = text("""
    WITH best AS (
        SELECT first.job_id, first.number FROM (
            SELECT id FROM job WHERE state = 'running'
            ORDER BY priority <> :priority,
                     cardinality(array_positions(CAST(:in_work AS uuid[]), id)),
                     array_position(CAST(:served AS uuid[]), id) NULLS FIRST, created_at
        ) AS in_turn CROSS JOIN LATERAL (
            SELECT job_id, number FROM job_chunk
            WHERE job_id = in_turn.id AND state = 'ready' AND put_off = :put_off
              AND not_before <= now()
            ORDER BY not_before, number LIMIT 1 FOR UPDATE SKIP LOCKED
        ) AS first LIMIT 1
    )
    UPDATE job_chunk AS chunk
    SET state = 'leased', attempt = attempt + 1, token = token + 1, worker = :worker,
        lease_until = now() + make_interval(secs => :lease_seconds)
    FROM best JOIN job ON job.id = best.job_id
    WHERE chunk.job_id = best.job_id AND chunk.number = best.number
    RETURNING chunk.job_id, chunk.number, chunk.token, chunk.attempt, chunk.retries,
              chunk.record_ids, job.priority,
              job.model_id, job.routes, job.picture, job.explain, job.look_again, job.max_age,
              now() AS claimed_at,
              CAST(coalesce(extract(epoch FROM now() - chunk.waiting_since), 0) AS float8)
                  AS waited_seconds
""")


def claim(
    engine: Engine,
    *,
    worker: str,
    lease_seconds: float,
    put_off: bool = False,
    priority: Priority = Priority.URGENT,
    in_work: Sequence[UUID] = (),
    served: Sequence[UUID] = (),
) -> Lease | None:
    """Claim the best chunk that is ready and due; None if there is none.

    Args:
        put_off: whether its records were put off before; a claim is for one kind or the other.
        priority: jobs that come first; within a priority those come first of which fewest chunks
            are in work, then those that were never served, then those served longest ago.
        in_work: the job of each chunk that this process works on.
        served: the jobs that this process has served, the latest at the end.
    """
    asked = {
        "worker": worker,
        "lease_seconds": lease_seconds,
        "put_off": put_off,
        "priority": priority,
        "in_work": list(in_work),
        "served": list(served),
    }
    with engine.begin() as connection:
        row = connection.execute(_CLAIM, asked).mappings().one_or_none()
    if row is None:
        return None
    found = dict(row)
    found["routes"] = Routes(model_id=found.pop("model_id"), by_provider=row["routes"] or {})
    found["record_ids"] = tuple(row["record_ids"])
    found["picture"], found["priority"] = PictureChoice(row["picture"]), Priority(row["priority"])
    return Lease(**found)


_RENEW = text("""
    UPDATE job_chunk SET lease_until = now() + make_interval(secs => :lease_seconds)
    WHERE job_id = :job_id AND number = :number AND token = :token AND state = 'leased'
      AND (SELECT state FROM job WHERE id = :job_id) <> 'cancelled'
""")


def renew(engine: Engine, lease: Lease, *, lease_seconds: float) -> bool:
    """Renew a lease; False if it is lost or the job is cancelled."""
    with engine.begin() as connection:
        renewed = connection.execute(_RENEW, {**_key(lease), "lease_seconds": lease_seconds})
    return renewed.rowcount == 1


_GIVE_BACK = text("""
    UPDATE job_chunk
    SET state = 'ready', lease_until = '-infinity', worker = NULL, attempt = attempt - 1,
        not_before = CASE WHEN :delay_seconds > 0
                          THEN now() + make_interval(secs => :delay_seconds) ELSE not_before END
    WHERE job_id = :job_id AND number = :number AND token = :token AND state = 'leased'
""")
_LET_EXPIRE = text("""
    UPDATE job_chunk
    SET token = token + 1, lease_until = now() + make_interval(secs => :delay_seconds)
    WHERE job_id = :job_id AND number = :number AND token = :token AND state = 'leased'
""")


def give_back(engine: Engine, lease: Lease, *, blameless: bool, delay_seconds: float = 0.0) -> None:
    """Return a chunk unfinished.

    Args:
        blameless: whether its records cannot be the cause. If they may be, the lease runs out
            after the delay, and the sweep counts the attempt, as after a worker's death.
        delay_seconds: until the chunk can be claimed again.
    """
    statement = _GIVE_BACK if blameless else _LET_EXPIRE
    with engine.begin() as connection:
        connection.execute(statement, {**_key(lease), "delay_seconds": delay_seconds})
        if blameless and not delay_seconds:
            wake_workers(connection)


_LOCK = text("""
    SELECT 1 FROM job_chunk AS chunk JOIN job ON job.id = chunk.job_id
    WHERE chunk.job_id = :job_id AND chunk.number = :number AND chunk.token = :token
      AND chunk.state = 'leased' AND job.state <> 'cancelled'
    FOR UPDATE OF chunk
""")


def lock(connection: Connection, lease: Lease) -> None:
    """Lock the chunk of a lease until the end of the transaction.

    Raises:
        LeaseLostError: another worker has the chunk, it is finished, or its job is cancelled.
    """
    if connection.execute(_LOCK, _key(lease)).one_or_none() is None:
        raise LeaseLostError


# A list that stays as it is must not be written again: it lies beside the table, compressed.
_SETTLE = text(f"""
    UPDATE job_chunk
    SET state = 'done', lease_until = '-infinity', settled_at = now(),
        record_ids = CASE WHEN cardinality(record_ids) = cardinality(CAST(:record_ids AS text[]))
                          THEN record_ids ELSE :record_ids END,
        {", ".join(f"{name} = :{name}" for name in COUNTED)}, said = CAST(:said AS jsonb)
    WHERE job_id = :job_id AND number = :number
""")


def settle(
    connection: Connection,
    lease: Lease,
    *,
    record_ids: list[str],
    counts: Mapping[str, int],
    said: Mapping[int, Mapping[str, Tally]],
) -> None:
    """Close a locked chunk.

    Args:
        record_ids: the records that have their outcome.
        counts: of them, by outcome, and how many were `read`.
        said: what the models said, by their numbers and by data provider.
    """
    tallies = {
        model_id: {provider: tally.counts for provider, tally in by_provider.items()}
        for model_id, by_provider in said.items()
    }
    outcome = {
        **{name: counts.get(name, 0) for name in COUNTED},
        "record_ids": record_ids,
        "said": json.dumps(tallies) if tallies else None,
    }
    connection.execute(_SETTLE, {**_key(lease), **outcome})


_PUT_OFF = text("""
    WITH numbered AS (
        UPDATE job SET chunks = chunks + 1 WHERE id = :job_id RETURNING chunks AS number
    )
    INSERT INTO job_chunk (job_id, number, record_ids, retries, waiting_since, not_before)
    SELECT :job_id, numbered.number, :record_ids,
           retries + CASE WHEN :counted THEN 1 ELSE 0 END,
           CASE WHEN :counted THEN waiting_since ELSE coalesce(waiting_since, now()) END,
           now() + make_interval(secs => :delay_seconds)
    FROM numbered, job_chunk AS parent
    WHERE parent.job_id = :job_id AND parent.number = :parent
""")


def put_off(
    connection: Connection,
    lease: Lease,
    record_ids: list[str],
    *,
    delay_seconds: float,
    counted: bool,
) -> None:
    """Move records of a locked chunk to a new chunk; `counted`: this was one of their tries."""
    later = {
        "job_id": lease.job_id,
        "parent": lease.number,
        "record_ids": record_ids,
        "counted": counted,
        "delay_seconds": delay_seconds,
    }
    connection.execute(_PUT_OFF, later)
    if not delay_seconds:
        wake_workers(connection)


def _key(lease: Lease) -> dict[str, object]:
    return {"job_id": lease.job_id, "number": lease.number, "token": lease.token}
