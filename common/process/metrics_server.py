"""Metrics over HTTP, for Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import start_http_server

from common.errors import EnrichmentError

log = structlog.get_logger()


@contextmanager
def served(port: int, address: str, *, program: str) -> Iterator[int]:
    """Serve the metrics of this process at /metrics until the block ends; yields the port.

    `program` is what the names of the two settings begin with.

    Raises:
        EnrichmentError: the port is taken, or the address is not one of this machine.
    """
    try:
        server, thread = start_http_server(port, address)
    except OSError as error:
        raise EnrichmentError(
            f"Port {port} of {program}_METRICS_PORT cannot be opened at {program}_METRICS_ADDRESS "
            f"{address}: {error.strerror}."
        ) from error
    log.info("metrics served", address=address, port=server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
