"""Connections pinned to a checked address, and a bounded store of idle ones."""

import logging
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse

from common.images.addresses import IPAddress
from common.images.transfer import GuardedSocket, GuardedSSLSocket, Transfer, connect
from common.images.urls import ImageUrl

# On malformed headers it logs the whole URL as a warning, and with it the keys in its query.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


class PinnedConnection(HTTPConnection):
    """Goes to `address` whatever the name means by now; Host header and checks use the name."""

    def __init__(self, *args: Any, address: IPAddress, transfer: Transfer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.address = address
        self.transfer = transfer

    def _new_conn(self) -> socket.socket:
        return connect(self.address, self.port, self.transfer)

    def serve(self, transfer: Transfer) -> None:
        """Put the open connection under the limits of another transfer."""
        self.transfer = transfer
        if isinstance(self.sock, GuardedSocket | GuardedSSLSocket):
            self.sock.transfer = transfer

    def ask(self, url: ImageUrl, headers: dict[str, str]) -> BaseHTTPResponse:
        """Send the request over the open connection and wait for the head of the answer."""
        self.serve(self.transfer)
        self.transfer.restart()
        self.request(
            "GET", url.target, headers=headers, preload_content=False, decode_content=False
        )
        return self.getresponse()


class PinnedTLSConnection(PinnedConnection, HTTPSConnection):
    """The same over TLS: SNI and certificate are those of the name."""


def new_connection(
    url: ImageUrl, address: IPAddress, transfer: Transfer, context: ssl.SSLContext
) -> PinnedConnection:
    """A connection, not yet open, to one address of the URL's host."""
    if url.scheme == "http":
        return PinnedConnection(url.host, url.port, address=address, transfer=transfer)
    return PinnedTLSConnection(
        url.host, url.port, address=address, transfer=transfer, ssl_context=context
    )


@contextmanager
def closed_on_error(
    connection: PinnedConnection, response: BaseHTTPResponse | None = None
) -> Iterator[None]:
    """A transfer that failed half-way leaves a connection that nothing else can use."""
    try:
        yield
    except BaseException:
        connection.close()
        if response is not None:
            response.close()
        raise


def guarded(context: ssl.SSLContext) -> ssl.SSLContext:
    """The context, changed so that its sockets receive under limits."""
    context.sslsocket_class = GuardedSSLSocket
    return context


Place = tuple[str, str, int, IPAddress]
"""Scheme, host name, port and the address connected to."""


class IdleConnections:
    """Open connections that wait for the next picture of the same place."""

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._idle: dict[Place, list[PinnedConnection]] = {}
        self._count = 0
        self._lock = threading.Lock()

    def take(self, url: ImageUrl, addresses: Iterable[IPAddress]) -> PinnedConnection | None:
        """A connection to the URL's host that still stands, if there is one to these addresses."""
        for address in addresses:
            while (connection := self._pop((url.scheme, url.host, url.port, address))) is not None:
                if connection.is_connected:
                    return connection
                connection.close()
        return None

    def put(self, url: ImageUrl, connection: PinnedConnection) -> None:
        """Keep the connection, unless its host has closed it; the oldest makes room."""
        if connection.sock is None:
            return
        place = (url.scheme, url.host, url.port, connection.address)
        with self._lock:
            self._idle.setdefault(place, []).append(connection)
            self._count += 1
            oldest = next(iter(self._idle)) if self._count > self._limit else None
        if oldest is not None and (evicted := self._pop(oldest)) is not None:
            evicted.close()

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            idle, self._idle, self._count = self._idle, {}, 0
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def _pop(self, place: Place) -> PinnedConnection | None:
        with self._lock:
            connections = self._idle.get(place)
            if not connections:
                return None
            self._count -= 1
            connection = connections.pop()
            if not connections:
                del self._idle[place]
            return connection
