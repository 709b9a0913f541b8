"""Metrics over HTTP, for Prometheus.

Whoever reaches the port could connect and never ask. So a client has few seconds, and there are few
clients at a time: others are turned away until one of these is gone.
"""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from prometheus_client import make_wsgi_app

from common.errors import EnrichmentError

CLIENTS = 16  # at a time
SILENCE_SECONDS = 5.0  # that a client may take to its next bytes
CLIENT_SECONDS = 15.0  # after which it may be cut off for another one

log = structlog.get_logger()


@contextmanager
def served(port: int, address: str, *, program: str) -> Iterator[int]:
    """Serve the metrics of this process at /metrics until the block ends; yields the port.

    `program` is what the names of the two settings begin with.

    Raises:
        EnrichmentError: the port is taken, or the address is not one of this machine.
    """
    try:
        server = _Server(port, address)
    except OSError as error:
        raise EnrichmentError(
            f"Port {port} of {program}_METRICS_PORT cannot be opened at {program}_METRICS_ADDRESS "
            f"{address}: {error.strerror}."
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    log.info("metrics served", address=address, port=server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(WSGIRequestHandler):
    timeout = SILENCE_SECONDS

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a scrape is no news."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each client, and few clients."""

    daemon_threads = True
    request_queue_size = 2 * CLIENTS  # else some who come together wait for seconds

    def __init__(self, port: int, address: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._since: dict[Any, float] = {}  # clients that are served
        self._lock = threading.Lock()
        super().__init__((address, port), _Handler)
        self.set_app(make_wsgi_app())

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a client in a thread of its own, or turn it away."""
        self._cut_off_slow_ones()
        with self._lock:
            is_full = len(self._since) >= CLIENTS
            if not is_full:
                self._since[request] = time.monotonic()
        if is_full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection to a client."""
        with self._lock:
            self._since.pop(request, None)
        super().shutdown_request(request)

    def _cut_off_slow_ones(self) -> None:
        """Their threads find the connection closed, and end."""
        with self._lock:
            for client, since in self._since.items():
                if time.monotonic() - since > CLIENT_SECONDS:
                    with suppress(OSError):  # it is gone
                        client.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is silent or gone is no fault of this process."""
        if not isinstance(sys.exception(), OSError):
            log.exception("metrics could not be served")
