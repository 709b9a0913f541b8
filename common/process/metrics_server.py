"""Metrics over HTTP, for Prometheus.

Whoever reaches the port could connect and never ask, or ask by a byte a second. So there are few
clients at a time, and one that comes takes the place of the one that has been there for longest: a
scrape is over long before its turn comes.
"""

import socket
import sys
import threading
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
    daemon_threads = True
    request_queue_size = 2 * CLIENTS  # else some who come together wait for seconds

    def __init__(self, port: int, address: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._clients: list[socket.socket] = []  # that are served, in the order of coming
        self._change = threading.Condition()  # of the clients
        super().__init__((address, port), _Handler)
        self.set_app(make_wsgi_app())

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._change:
            while len(self._clients) >= CLIENTS:
                with suppress(OSError):  # it is gone
                    self._clients[0].shutdown(socket.SHUT_RDWR)  # which its thread notices at once
                self._change.wait()
            self._clients.append(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._change:
            self._clients.remove(request)
            self._change.notify()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is silent or gone is no fault of this process."""
        if not isinstance(sys.exception(), OSError):
            log.exception("metrics could not be served")
