"""A worker hears in Postgres that there may be work (`common/store/signals.py`)."""

from collections.abc import Callable
from select import select
from typing import Any

import structlog
from sqlalchemy import Connection, Engine

from common.process.periodic import PeriodicThread
from common.store.session import own_session
from common.store.signals import CHANNEL

SHORTEST_DELAY, LONGEST_DELAY = 1.0, 30.0  # seconds, until a lost connection is made again
LOOK_SECONDS = 0.5  # between two looks whether the worker ends

log = structlog.get_logger()


class Listener(PeriodicThread):
    """Calls `wake` for each wake-up, by a connection of its own outside the engine's pool.

    It hears nothing while the connection is lost, and never behind a pooler that lends sessions.
    """

    def __init__(self, engine: Engine, wake: Callable[[], None]) -> None:
        super().__init__("listener", interval=0.0, at_once=True)
        self._engine = engine
        self._wake = wake
        self._connection: Connection | None = None
        self._delay = 0.0

    def run_once(self) -> None:
        try:
            self._connection = self._connection or self._listen()
            if self._connection is not None:
                self._hear(self._connection)
        except BaseException:
            self._delay = min(max(2 * self._delay, SHORTEST_DELAY), LONGEST_DELAY)
            self._close()
            raise
        self._delay = 0.0

    def seconds_until_next(self) -> float:
        return self._delay

    def stop(self) -> None:
        super().stop()
        self._close()

    def _listen(self) -> Connection | None:
        """A connection that listens; None behind a pooler, where this thread ends."""
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
        if own_session(connection) is None:
            connection.close()
            log.info(
                "DATABASE_URL leads to a pooler, so no wake-ups arrive; idle threads ask for work"
            )
            self.stopping.set()
            self.wake()
            return None
        connection.exec_driver_sql(f"LISTEN {CHANNEL}")
        self._wake()  # for what was said before
        return connection

    def _hear(self, connection: Connection) -> None:
        session: Any = connection.connection.dbapi_connection  # psycopg2's
        if select([session], [], [], LOOK_SECONDS)[0]:
            connection.exec_driver_sql("SELECT 1")  # by which the driver reads, or the loss is seen
            if session.notifies:
                session.notifies.clear()
                self._wake()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
