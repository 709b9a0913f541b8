"""Connections to a checked address, limits on every byte, and a bounded store of idle ones.

They are http.client's own: urllib3 on top of it nearly doubles the processor time of a picture.

Timeouts of HTTP libraries count from one read to the next. A server that sends a byte every few
seconds could hold a thread for ever, in its headers as well as in its body. Here each receive waits
for short slices and checks all limits in between. So status lines, headers, chunks, trailers and
TLS records can neither take longer nor be larger than the limits allow.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from common.errors import RecordError
from common.fetch.addresses import IPAddress
from common.fetch.framing import FramedResponse, said_unasked
from common.fetch.urls import DEFAULT_PORTS, CheckedUrl
from common.reasons import Reason

SLICE_SECONDS = 0.5  # how late a limit or a cancellation may be noticed
FRAMING_BYTES = 1_000_000  # allowance for headers and chunk sizes beside the body
Receive = Callable[[Any, Any, Any], int]
"""`recv_into` of a kind of socket: of the socket, into a buffer, so many bytes at most."""


@dataclass(frozen=True)
class FetchLimits:
    connect_seconds: float = 5.0  # look-up, connection, TLS: each
    read_seconds: float = 10.0  # of silence
    total_seconds: float = 60.0  # redirects included, waiting for a host's turn not
    max_bytes: int = 100_000_000
    min_bytes_per_second: float = 5_000.0
    min_rate_after_seconds: float = 15.0
    max_redirects: int = 5


class Transfer:
    def __init__(
        self, limits: FetchLimits, *, seconds_left: float, cancelled: threading.Event
    ) -> None:
        self._limits = limits
        self._cancelled = cancelled
        self._deadline = time.monotonic() + seconds_left
        self.restart()

    def restart(self) -> None:
        """Count bytes and rate from here: a request is about to be sent."""
        self._started = time.monotonic()
        self._received = 0
        self._ended = False

    def end(self) -> None:
        self._ended = True

    def seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def step_timeout(self) -> float:
        """Seconds that one step (look-up, connection, TLS) may take.

        Raises:
            RecordError: the deadline has passed or the caller stopped.
        """
        self._check_time(time.monotonic())
        return max(0.001, min(self._limits.connect_seconds, self.seconds_left()))

    def wait_for(self, slot: threading.Semaphore) -> None:
        """Wait for a slot of our own machine, which the host's rate is not to blame for."""
        waiting_since = time.monotonic()
        while not slot.acquire(timeout=SLICE_SECONDS):
            self._check_time(time.monotonic())
        self._started += time.monotonic() - waiting_since

    def receive(self, receive_into: Receive, sock: socket.socket, buffer: Any, size: Any) -> int:
        if self._ended:
            return 0
        if sock.gettimeout() != SLICE_SECONDS:
            sock.settimeout(SLICE_SECONDS)
        waiting_since = now = time.monotonic()
        while True:
            self._check_time(now)
            self._check_pace(now, silent_for=now - waiting_since)
            try:
                count = receive_into(sock, buffer, size)
            except TimeoutError:
                now = time.monotonic()
                continue
            self._count(count)
            return count

    def _check_time(self, now: float) -> None:
        if self._cancelled.is_set():
            raise Reason.CANCELLED.error("the caller stopped")
        if now >= self._deadline:
            raise Reason.TIMEOUT.error("the time limit for one picture was reached")

    def _check_pace(self, now: float, *, silent_for: float) -> None:
        if silent_for >= self._limits.read_seconds:
            raise Reason.TIMEOUT.error(f"no bytes came for {silent_for:.0f} s")
        elapsed = now - self._started
        if elapsed >= self._limits.min_rate_after_seconds:
            rate = self._received / elapsed
            if rate < self._limits.min_bytes_per_second:
                raise Reason.TOO_SLOW.error(f"{rate:.0f} bytes a second")

    def _count(self, count: int) -> None:
        self._received += count
        if self._received > self._limits.max_bytes + FRAMING_BYTES:
            raise Reason.TOO_LARGE.error(f"more than {self._limits.max_bytes} bytes")


class GuardedSocket(socket.socket):
    transfer: Transfer

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        return self.transfer.receive(socket.socket.recv_into, self, buffer, nbytes)


class GuardedSSLSocket(ssl.SSLSocket):
    transfer: Transfer

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        return self.transfer.receive(ssl.SSLSocket.recv_into, self, buffer, nbytes)


def connect(address: IPAddress, port: int, transfer: Transfer) -> GuardedSocket:
    """A connection to exactly this address.

    Raises:
        OSError: it does not answer, or not in time.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connection = GuardedSocket(family, socket.SOCK_STREAM)
    try:
        connection.transfer = transfer
        connection.settimeout(transfer.step_timeout())
        connection.connect((str(address), port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(transfer.step_timeout())  # for the TLS handshake
    except (OSError, RecordError):
        connection.close()
        raise
    return connection


class PinnedConnection(HTTPConnection):
    """Goes to `address` whatever the name means by now; Host header and checks use the name."""

    response_class = FramedResponse
    sock: GuardedSocket | GuardedSSLSocket | None

    def __init__(self, url: CheckedUrl, address: IPAddress, transfer: Transfer) -> None:
        super().__init__(url.host, url.port)
        self.address = address
        self.transfer = transfer
        self._waiting = select.poll()

    def connect(self) -> None:
        self.sock = connect(self.address, self.port, self.transfer)

    def open(self) -> None:
        """Connect, and make sure that the host waits to be asked."""
        self.connect()
        assert self.sock is not None
        self._waiting.register(self.sock, select.POLLIN)
        if said_unasked(self.sock, self._waiting):
            raise HTTPException("the answer came before the request")

    @property
    def stands(self) -> bool:
        """False when the host has closed the idle connection, or sent something unasked."""
        return self.sock is not None and said_unasked(self.sock, self._waiting) is None

    def serve(self, transfer: Transfer) -> None:
        self.transfer = transfer
        if self.sock is not None:
            self.sock.transfer = transfer

    def ask(self, url: CheckedUrl, headers: dict[str, str]) -> FramedResponse:
        self.serve(self.transfer)
        self.transfer.restart()
        self.request("GET", url.target, headers=headers)
        response = self.getresponse()
        assert isinstance(response, FramedResponse)
        return response


class PinnedTLSConnection(PinnedConnection):
    """The same over TLS: SNI and certificate are those of the name."""

    default_port = DEFAULT_PORTS["https"]

    def __init__(
        self, url: CheckedUrl, address: IPAddress, transfer: Transfer, context: ssl.SSLContext
    ) -> None:
        super().__init__(url, address, transfer)
        self._context = context

    def connect(self) -> None:
        plain = connect(self.address, self.port, self.transfer)
        encrypted = self._context.wrap_socket(plain, server_hostname=self.host)
        assert isinstance(encrypted, GuardedSSLSocket)
        self.sock = encrypted


def new_connection(
    url: CheckedUrl, address: IPAddress, transfer: Transfer, context: ssl.SSLContext
) -> PinnedConnection:
    if url.scheme == "http":
        return PinnedConnection(url, address, transfer)
    return PinnedTLSConnection(url, address, transfer, context)


def guarded(context: ssl.SSLContext) -> ssl.SSLContext:
    """The context, changed so that its sockets receive under limits and speak HTTP/1.1."""
    context.sslsocket_class = GuardedSSLSocket
    context.set_alpn_protocols(["http/1.1"])
    return context


Endpoint = tuple[str, str, int, IPAddress]
"""Scheme, host name, port and the address connected to."""


class IdleConnections:
    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._idle: dict[Endpoint, list[PinnedConnection]] = {}
        self._count = 0
        self._lock = threading.Lock()

    def take(self, url: CheckedUrl, address: IPAddress) -> PinnedConnection | None:
        while (connection := self._pop((url.scheme, url.host, url.port, address))) is not None:
            if connection.stands:
                return connection
            connection.close()
        return None

    def put(self, url: CheckedUrl, connection: PinnedConnection) -> None:
        """Keep the connection, unless its host has closed it; the oldest makes room."""
        if not connection.stands:
            connection.close()
            return
        endpoint = (url.scheme, url.host, url.port, connection.address)
        with self._lock:
            self._idle.setdefault(endpoint, []).append(connection)
            self._count += 1
            oldest = next(iter(self._idle)) if self._count > self._limit else None
        if oldest is not None and (evicted := self._pop(oldest)) is not None:
            evicted.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle, self._count = self._idle, {}, 0
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def _pop(self, endpoint: Endpoint) -> PinnedConnection | None:
        with self._lock:
            connections = self._idle.get(endpoint)
            if not connections:
                return None
            self._count -= 1
            connection = connections.pop()
            if not connections:
                del self._idle[endpoint]
            return connection
