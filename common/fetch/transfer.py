"""The limits of one transfer, held where every byte comes in: at the socket.

Time-outs of HTTP libraries count from one read to the next, so a server that sends a byte every few
seconds holds a thread for ever, in its headers as well as in its body. Here each receive waits
for short slices and checks all limits in between. Nothing above it - status lines, headers,
chunks, trailers, TLS records - can take longer or send more than the limits say, and there is no
watchdog to race with.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from common.errors import RecordError
from common.fetch.addresses import IPAddress
from common.reasons import FetchReason, fetch_error

SLICE_SECONDS = 0.5  # how late a limit or a cancellation may be noticed
FRAMING_BYTES = 1_000_000  # allowance for headers and chunk sizes beside the body


@dataclass(frozen=True)
class FetchLimits:
    """What one picture may cost."""

    connect_seconds: float = 5.0  # look-up, connection, TLS: each
    read_seconds: float = 10.0  # of silence
    total_seconds: float = 60.0  # redirects included, waiting for a host's turn not
    max_bytes: int = 100_000_000
    min_bytes_per_second: float = 5_000.0
    min_rate_after_seconds: float = 15.0
    max_redirects: int = 5


class Transfer:
    """One request and its answer, with what is left of its limits."""

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

    def seconds_left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self._deadline - time.monotonic())

    def patience(self) -> float:
        """How long one step of the way there may take.

        Raises:
            RecordError: the deadline has passed or the caller stopped.
        """
        self._check_time()
        return max(0.001, min(self._limits.connect_seconds, self.seconds_left()))

    def wait_for(self, slot: threading.Semaphore) -> None:
        """Wait for a slot of our own machine, which the host's rate is not to blame for."""
        waiting_since = time.monotonic()
        while not slot.acquire(timeout=SLICE_SECONDS):
            self._check_time()
        self._started += time.monotonic() - waiting_since

    def receive(self, sock: socket.socket, receive_into: Callable[[], int]) -> int:
        """Run one receive of the socket under all limits."""
        waiting_since = time.monotonic()
        while True:
            self._check_time()
            self._check_pace(silent_for=time.monotonic() - waiting_since)
            if sock.gettimeout() != SLICE_SECONDS:
                sock.settimeout(SLICE_SECONDS)
            try:
                count = receive_into()
            except TimeoutError:
                continue
            self._count(count)
            return count

    def _check_time(self) -> None:
        if self._cancelled.is_set():
            raise fetch_error(FetchReason.CANCELLED, "the caller stopped")
        if time.monotonic() >= self._deadline:
            raise fetch_error(FetchReason.TIMEOUT, "not finished in the time for one picture")

    def _check_pace(self, *, silent_for: float) -> None:
        if silent_for >= self._limits.read_seconds:
            raise fetch_error(FetchReason.TIMEOUT, f"nothing came for {silent_for:.0f} s")
        elapsed = time.monotonic() - self._started
        if elapsed >= self._limits.min_rate_after_seconds:
            rate = self._received / elapsed
            if rate < self._limits.min_bytes_per_second:
                raise fetch_error(FetchReason.TOO_SLOW, f"{rate:.0f} bytes a second")

    def _count(self, count: int) -> None:
        self._received += count
        if self._received > self._limits.max_bytes + FRAMING_BYTES:
            raise fetch_error(FetchReason.TOO_LARGE, f"more than {self._limits.max_bytes} bytes")


class GuardedSocket(socket.socket):
    """A TCP socket that receives under the limits of the transfer it serves."""

    transfer: Transfer

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        return self.transfer.receive(
            self, lambda: socket.socket.recv_into(self, buffer, nbytes, flags)
        )


class GuardedSSLSocket(ssl.SSLSocket):
    """The same over TLS."""

    transfer: Transfer

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        return self.transfer.receive(
            self, lambda: ssl.SSLSocket.recv_into(self, buffer, nbytes, flags)
        )


def connect(address: IPAddress, port: int, transfer: Transfer) -> GuardedSocket:
    """A connection to exactly this address.

    Raises:
        OSError: it does not answer, or not in time.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connection = GuardedSocket(family, socket.SOCK_STREAM)
    try:
        connection.transfer = transfer
        connection.settimeout(transfer.patience())
        connection.connect((str(address), port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(transfer.patience())  # for the TLS handshake
    except (OSError, RecordError):
        connection.close()
        raise
    return connection
