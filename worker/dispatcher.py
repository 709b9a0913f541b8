"""The dispatcher: tells the broker which chunks are worth a worker's while.

Only a small window of hints is under way at a time. What is chosen next is decided here and not
by the order of a queue: urgent jobs first, jobs of one priority in turn. So a small job overtakes
a backfill of millions within one chunk, and losing every message costs the lifetime of a hint.

Every worker runs a dispatcher in a thread; an advisory lock lets one at a time choose.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from kombu.exceptions import OperationalError as BrokerUnreachableError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from worker import chunks

SPARE_HINTS = 8  # hints beyond two for each chunk in work
LOCK = 7_224_109_664  # any number that no other advisory lock of this database uses

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Hint:
    """A chunk that is ready; `priority` of its job decides on the queue."""

    job_id: UUID
    number: int
    priority: str


_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:lock)")
_ROOM = text("""
    SELECT :spare + 2 * count(*) FILTER (WHERE state = 'leased')
           - count(*) FILTER (WHERE state = 'ready')
    FROM job_chunk
    WHERE state = 'leased'
       OR (state = 'ready' AND hinted_at > now() - make_interval(secs => :lifetime))
""")
_CHOOSE = text("""
    WITH candidate AS (
        SELECT job.id AS job_id, due.number, job.priority, job.created_at, due.turn
        FROM job CROSS JOIN LATERAL (
            SELECT number, row_number() OVER (ORDER BY number) AS turn FROM (
                SELECT number FROM job_chunk
                WHERE job_id = job.id AND state = 'ready' AND not_before <= now()
                  AND hinted_at <= now() - make_interval(secs => :lifetime)
                ORDER BY number LIMIT :room
            ) AS first
        ) AS due
        WHERE job.state = 'running'
    ), chosen AS (
        SELECT job_id, number, priority FROM candidate
        ORDER BY priority = 'bulk', turn, created_at LIMIT :room
    )
    UPDATE job_chunk AS chunk SET hinted_at = now() FROM chosen
    WHERE chunk.job_id = chosen.job_id AND chunk.number = chosen.number
    RETURNING chunk.job_id, chunk.number, chosen.priority
""")


def choose(connection: Connection, *, hint_seconds: float) -> list[Hint]:
    """The chunks to hint at now, marked as hinted; none where another dispatcher is choosing.

    A hint that nobody has followed after `hint_seconds` counts as lost.
    """
    if not connection.execute(_TRY_LOCK, {"lock": LOCK}).scalar_one():
        return []
    swept = chunks.sweep(connection)
    if swept != chunks.Sweep(returned=0, split=0, dead=0):
        log.warning("leases ran out", returned=swept.returned, split=swept.split, dead=swept.dead)
    room = connection.execute(_ROOM, {"spare": SPARE_HINTS, "lifetime": hint_seconds})
    wanted = max(0, room.scalar_one())
    rows = connection.execute(_CHOOSE, {"room": wanted, "lifetime": hint_seconds})
    return [Hint(**row) for row in rows.mappings()]


class Dispatcher(threading.Thread):
    """Chooses and sends every `interval` seconds until stopped; outlives database and broker."""

    def __init__(
        self,
        engine: Engine,
        send: Callable[[Hint], None],
        *,
        interval: float,
        hint_seconds: float,
    ) -> None:
        super().__init__(name="dispatcher", daemon=True)
        self._engine = engine
        self._send = send
        self._interval = interval
        self._hint_seconds = hint_seconds
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(self._interval):
            try:
                self.dispatch()
            except OperationalError:
                log.warning("the database is away; dispatching goes on when it is back")
            except BrokerUnreachableError:
                log.warning("the broker is away; hints are sent again when it is back")

    def dispatch(self) -> None:
        """Choose once, and send the hints after the transaction that chose them."""
        with self._engine.begin() as connection:
            hints = choose(connection, hint_seconds=self._hint_seconds)
        for hint in hints:
            self._send(hint)

    def stop(self) -> None:
        """Ask the thread to end, and wait for it."""
        self._stopping.set()
        self.join()
