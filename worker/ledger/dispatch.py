"""What is worked on next: hints for fresh chunks, the waiting room for those that were put off.

A hint tells the broker that a chunk is ready. Only a small window of hints is under way, one
window for each priority. Postgres, not the order of a queue, decides what is next: within a
priority, the job with the fewest chunks under way. Urgent and bulk hints have queues of their own,
which workers empty in turn. While urgent chunks wait, one in BULK_SHARE chunks in work may be a
bulk chunk. So a small job overtakes a backfill of millions within the time of one chunk, and many
urgent jobs do not stop the backfill. If the broker loses all messages, that costs the lifetime of
a hint.

Chunks that were put off get no hints. Their hosts are slow or were unavailable, so such a chunk
mostly waits. The waiting room works on them in threads of its own: there they take no place from
fresh chunks and hold up no other job.

Every worker runs a dispatcher. An advisory lock lets one of them choose at a time. The sweep is
part of the same transaction: it finds chunks whose worker died, hung or failed. Such a chunk is
tried MAX_ATTEMPTS times and then split into smaller chunks. A record that is alone in its chunk and
still ends its workers is given up. So its neighbours are delayed, but they keep their outcomes.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Semaphore
from uuid import UUID

import structlog
from kombu.exceptions import OperationalError as BrokerUnreachableError
from sqlalchemy import Connection, Engine, RowMapping, text

from common.process.periodic import PeriodicThread
from common.reasons import Reason
from common.store.tables import IS_PUT_OFF, Priority
from worker import metrics
from worker.ledger import dispatch_lock
from worker.ledger.chunks import Lease, complete_job
from worker.ledger.dispatch_lock import LockHolder

SPLIT_INTO = 16  # chunks: 256 -> 16 -> 1
MAX_ATTEMPTS = 3  # claims of one chunk whose lease runs out
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
LEAST_PAUSE = 0.1  # seconds between two choices; a chunk that is read may take less
SPARE_HINTS = 8  # hints of one priority, in addition to two for each chunk in work
BULK_SHARE = 4  # while urgent chunks wait, one in 4 chunks in work may be a bulk chunk
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """How many chunks a sweep returned, split and gave up."""

    returned: int
    split: int
    dead: int


def sweep(connection: Connection) -> Sweep:
    """Return, split or give up the chunks whose leases ran out."""
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


@dataclass(frozen=True, kw_only=True)
class Hint:
    """A chunk that is ready; the priority of its job decides on the queue."""

    job_id: UUID
    number: int
    priority: Priority


_UNDER_WAY = f"""
    SELECT job_id, state FROM job_chunk WHERE state = 'leased' AND NOT {IS_PUT_OFF}
    UNION ALL
    SELECT job_id, state FROM job_chunk
    WHERE state = 'ready' AND hinted_at > now() - make_interval(secs => :lifetime)
"""
_WINDOW = text(f"""
    SELECT job.priority,
           count(*) FILTER (WHERE chunk.state = 'leased') AS leased,
           count(*) FILTER (WHERE chunk.state = 'ready' AND job.state = 'running') AS hinted
    FROM ({_UNDER_WAY}) AS chunk JOIN job ON job.id = chunk.job_id
    GROUP BY job.priority
""")
_CHOOSE = text(f"""
    WITH busy AS (
        SELECT job_id, count(*) AS chunks FROM ({_UNDER_WAY}) AS chunk GROUP BY job_id
    ), candidate AS (
        SELECT job.id AS job_id, job.created_at, due.number,
               coalesce(busy.chunks, 0)
                   + row_number() OVER (PARTITION BY job.id ORDER BY due.number) AS turn
        FROM job LEFT JOIN busy ON busy.job_id = job.id CROSS JOIN LATERAL (
            SELECT number FROM job_chunk
            WHERE job_id = job.id AND state = 'ready' AND not_before <= now() AND NOT {IS_PUT_OFF}
              AND hinted_at <= now() - make_interval(secs => :lifetime)
            ORDER BY number LIMIT :room
        ) AS due
        WHERE job.state = 'running' AND job.priority = :priority
    ), chosen AS (
        SELECT * FROM candidate ORDER BY turn, created_at LIMIT :room
    ), hinted AS (
        UPDATE job_chunk AS chunk SET hinted_at = now() FROM chosen
        WHERE chunk.job_id = chosen.job_id AND chunk.number = chosen.number
        RETURNING chosen.*
    )
    SELECT job_id, number FROM hinted ORDER BY turn, created_at
""")


def choose(connection: Connection, *, hint_seconds: float) -> list[Hint]:
    """The chunks to hint at now, marked as hinted; none while another dispatcher is choosing.

    A hint that no worker followed within `hint_seconds` counts as lost.
    """
    return _choose_alone(connection, hint_seconds) if dispatch_lock.take(connection) else []


def _choose_alone(connection: Connection, hint_seconds: float) -> list[Hint]:
    swept = sweep(connection)
    if swept != Sweep(returned=0, split=0, dead=0):
        log.warning("leases ran out", returned=swept.returned, split=swept.split, dead=swept.dead)
    window = _look(connection, hint_seconds)
    hints: list[Hint] = []
    for priority in (Priority.URGENT, Priority.BULK):
        chosen = _choose(connection, priority, window.room(priority), hint_seconds)
        window.hinted[priority] += len(chosen)
        hints += chosen
    return hints


@dataclass(frozen=True)
class _Window:
    """Chunks in work, and chunks hinted at but not begun, by the priority of their jobs."""

    leased: Counter[str]
    hinted: Counter[str]

    def room(self, priority: Priority) -> int:
        """How many more chunks of this priority may be hinted at."""
        in_work = self.leased.total()
        room = SPARE_HINTS + 2 * in_work - self.hinted[priority]
        if priority is Priority.BULK and self.hinted[Priority.URGENT]:
            share = max(1, in_work // BULK_SHARE)
            room = min(room, share - self.leased[priority] - self.hinted[priority])
        return max(0, room)


def _look(connection: Connection, hint_seconds: float) -> _Window:
    rows = connection.execute(_WINDOW, {"lifetime": hint_seconds}).all()
    return _Window(
        leased=Counter({row.priority: row.leased for row in rows}),
        hinted=Counter({row.priority: row.hinted for row in rows}),
    )


def _choose(
    connection: Connection, priority: Priority, room: int, hint_seconds: float
) -> list[Hint]:
    if room == 0:
        return []
    asked = {"priority": priority, "room": room, "lifetime": hint_seconds}
    rows = connection.execute(_CHOOSE, asked)
    return [Hint(job_id=row.job_id, number=row.number, priority=priority) for row in rows]


class Dispatcher(PeriodicThread):
    """Chooses chunks and sends hints to them, every `interval` seconds, and when it is woken."""

    def __init__(
        self,
        engine: Engine,
        send: Callable[[Hint], None],
        *,
        interval: float,
        hint_seconds: float,
    ) -> None:
        super().__init__("dispatcher", interval=interval)
        self._engine = engine
        self._send = send
        self._hint_seconds = hint_seconds
        self.held_up_by: LockHolder | None = None

    def run_once(self) -> None:
        """Choose, and send the hints after that transaction."""
        self.stopping.wait(LEAST_PAUSE - (time.monotonic() - self._ended_at))
        hints, holder = [], None
        with self._engine.begin() as connection:
            if dispatch_lock.take(connection):
                hints = _choose_alone(connection, self._hint_seconds)
            else:
                holder = dispatch_lock.slow_holder(connection)
        self._tell_of(holder)
        try:
            for hint in hints:
                self._send(hint)
        except BrokerUnreachableError:
            log.warning("the broker is away; hints are sent again when it is back")

    def _tell_of(self, holder: LockHolder | None) -> None:
        metrics.DISPATCH_HELD_UP.set(holder.seconds if holder else 0)
        if holder and (self.held_up_by is None or self.held_up_by.pid != holder.pid):
            log.warning(str(holder))
        self.held_up_by = holder


class WaitingRoom(PeriodicThread):
    """Asks for put-off chunks that are due every `interval` seconds, and works on `places` of them
    at a time, each in a thread."""

    def __init__(
        self,
        claim: Callable[[], Lease | None],
        work_on: Callable[[Lease], None],
        *,
        places: int,
        interval: float,
    ) -> None:
        super().__init__("waiting-room", interval=interval)
        self._claim = claim
        self._work_on = work_on
        self._free = Semaphore(places)
        self._pool = ThreadPoolExecutor(places, thread_name_prefix="put-off")

    def run_once(self) -> None:
        """Claim chunks until no place is free or no chunk is due."""
        while self._free.acquire(blocking=False):
            lease = None
            try:
                lease = self._claim()
            finally:
                if lease is None:
                    self._free.release()
            if lease is None:
                return
            self._pool.submit(self._work_on, lease).add_done_callback(self._leave)

    def stop(self) -> None:
        """Claim no more, and wait until the chunks in work are finished or given back."""
        super().stop()
        self._pool.shutdown()

    def _leave(self, _: "Future[None]") -> None:
        self._free.release()
