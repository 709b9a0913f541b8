"""Detects a database that is connected but does not answer.

The server may be stopped, or the network may lose packets. Then the driver waits for hours, and a
statement timeout does not help because the server itself enforces it. So a thread sends a small
query again and again. If no answer comes, the thread ends the connections of this process. Every
page that waits then fails as if the database were away.
"""

import os
import socket
from contextlib import suppress
from threading import Timer
from typing import Any

import structlog
from sqlalchemy import Engine, event, text

from common.process.periodic import PeriodicThread

LOOK_SECONDS = 2.0  # between two queries
LONGEST_ANSWER = 10.0  # seconds; a busy database answers sooner

log = structlog.get_logger()


class FrozenStoreWatch(PeriodicThread):
    """Ends the connections of an engine when its database no longer answers.

    Args:
        engine: the engine to watch. None of its connections is in use yet.
        asking: another engine on the same database, for this thread alone. So a full pool of the
            first engine does not look like a frozen database.
    """

    def __init__(self, engine: Engine, asking: Engine) -> None:
        super().__init__("frozen-store", interval=LOOK_SECONDS)
        self._asking = asking
        self._sockets: dict[Any, socket.socket] = {}  # by the driver's connection
        for each in (engine, asking):
            event.listen(each, "connect", self._note)
            event.listen(each, "close", self._forget)
            each.dispose()  # close connections that are open already: they were not noted

    def run_once(self) -> None:
        timer = Timer(LONGEST_ANSWER, self._end_connections)
        timer.daemon = True
        timer.start()
        try:
            with self._asking.connect() as connection:
                connection.execute(text("SELECT 1"))
        finally:
            timer.cancel()

    def stop(self) -> None:
        super().stop()
        self._asking.dispose()

    def _note(self, connection: Any, _: object) -> None:
        # Duplicate the descriptor: the driver may close its own, and the number may be reused.
        self._sockets[connection] = socket.socket(fileno=os.dup(connection.fileno()))

    def _forget(self, connection: Any, _: object) -> None:
        noted = self._sockets.pop(connection, None)
        if noted is not None:
            noted.close()

    def _end_connections(self) -> None:
        noted = list(self._sockets.values())
        if not noted:  # a new connection fails by itself
            return
        log.error(
            "the database does not answer; the desk closes the connections", connections=len(noted)
        )
        for each in noted:
            with suppress(OSError):  # it is closed already
                each.shutdown(socket.SHUT_RDWR)
