"""Connections pinned to a checked address, and a bounded store of idle ones.

They are http.client's own: urllib3 on top of it nearly doubles the processor time of a picture.
"""

import select
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse

from common.fetch.addresses import IPAddress
from common.fetch.transfer import GuardedSocket, GuardedSSLSocket, Transfer, connect
from common.fetch.urls import DEFAULT_PORTS, ImageUrl


class PinnedConnection(HTTPConnection):
    """Goes to `address` whatever the name means by now; Host header and checks use the name."""

    sock: GuardedSocket | GuardedSSLSocket | None

    def __init__(self, url: ImageUrl, address: IPAddress, transfer: Transfer) -> None:
        super().__init__(url.host, url.port)
        self.address = address
        self.transfer = transfer

    def connect(self) -> None:
        self.sock = connect(self.address, self.port, self.transfer)

    @property
    def stands(self) -> bool:
        """False when the host has closed the idle connection, or said what nobody asked for."""
        if self.sock is None:
            return False
        waiting = select.poll()
        waiting.register(self.sock, select.POLLIN)
        return not waiting.poll(0)

    def serve(self, transfer: Transfer) -> None:
        """Put the open connection under the limits of another transfer."""
        self.transfer = transfer
        if self.sock is not None:
            self.sock.transfer = transfer

    def ask(self, url: ImageUrl, headers: dict[str, str]) -> HTTPResponse:
        """Send the request over the open connection and wait for the head of the answer."""
        self.serve(self.transfer)
        self.transfer.restart()
        self.request("GET", url.target, headers=headers)
        return self.getresponse()


class PinnedTLSConnection(PinnedConnection):
    """The same over TLS: SNI and certificate are those of the name."""

    default_port = DEFAULT_PORTS["https"]

    def __init__(
        self, url: ImageUrl, address: IPAddress, transfer: Transfer, context: ssl.SSLContext
    ) -> None:
        super().__init__(url, address, transfer)
        self._context = context

    def connect(self) -> None:
        plain = connect(self.address, self.port, self.transfer)
        encrypted = self._context.wrap_socket(plain, server_hostname=self.host)
        assert isinstance(encrypted, GuardedSSLSocket)
        self.sock = encrypted


def new_connection(
    url: ImageUrl, address: IPAddress, transfer: Transfer, context: ssl.SSLContext
) -> PinnedConnection:
    """A connection, not yet open, to one address of the URL's host."""
    if url.scheme == "http":
        return PinnedConnection(url, address, transfer)
    return PinnedTLSConnection(url, address, transfer, context)


@contextmanager
def closed_on_error(
    connection: PinnedConnection, response: HTTPResponse | None = None
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
    """The context, changed so that its sockets receive under limits and speak HTTP/1.1."""
    context.sslsocket_class = GuardedSSLSocket
    context.set_alpn_protocols(["http/1.1"])
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
                if connection.stands:
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
