"""A database that is there and answers nothing: it was stopped, or a network loses its packets.

The driver would wait for hours. A limit for statements is of no use, since the server keeps it. So
a thread asks the database a small question again and again. Where no answer comes, it ends the
connections of this process, and every page that waits fails as if the database were away.
"""

import os
import socket
from contextlib import suppress
from threading import Timer
from typing import Any

import structlog
from sqlalchemy import Engine, event, text

from common.process.periodic import PeriodicThread

LOOK_SECONDS = 2.0  # between two questions
LONGEST_ANSWER = 10.0  # seconds; a database that is only busy answers sooner

log = structlog.get_logger()


class FrozenStoreWatch(PeriodicThread):
    """Ends the connections of an engine when its database answers nothing any more.

    Args:
        engine: whose connections are ended; it has none in use yet.
        asking: another engine on the same database, for this thread alone: whoever uses up the
            connections of the first does not look like a database that is frozen.
    """

    def __init__(self, engine: Engine, asking: Engine) -> None:
        super().__init__("frozen-store", interval=LOOK_SECONDS)
        self._asking = asking
        self._sockets: dict[Any, socket.socket] = {}  # by connections of the driver
        for each in (engine, asking):
            event.listen(each, "connect", self._note)
            event.listen(each, "close", self._forget)
            each.dispose()  # what is open already was not noted

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
        # A number of our own: the driver's may be another file's by the time that it is needed.
        self._sockets[connection] = socket.socket(fileno=os.dup(connection.fileno()))

    def _forget(self, connection: Any, _: object) -> None:
        noted = self._sockets.pop(connection, None)
        if noted is not None:
            noted.close()

    def _end_connections(self) -> None:
        noted = list(self._sockets.values())
        if not noted:  # a new one fails by itself
            return
        log.error("the database answers nothing: its connections are ended", connections=len(noted))
        for each in noted:
            with suppress(OSError):  # it was closed meanwhile
                each.shutdown(socket.SHUT_RDWR)
