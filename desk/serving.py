"""`desk serve`: a process of the web server."""

import socket

import uvicorn

from common.errors import UsageError
from common.process.console import SafeConsole
from common.store.session import open_store
from desk.app import create_app
from desk.settings import DeskSettings

GRACE = 10  # seconds that requests have to end

console = SafeConsole(stderr=True, highlight=False)


def serve_desk(host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        UsageError: a setting is missing or malformed, or the port is taken.
        StoreError: Postgres cannot be reached or is not migrated.
    """
    settings = DeskSettings.read()
    engine = open_store(connections=settings.desk_connections)
    listening = _listen(host, port)
    config = uvicorn.Config(
        create_app(engine, settings),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=200,
        h11_max_incomplete_event_size=32_768,
    )
    address, number = listening.getsockname()[:2]
    console.print(f"The desk is at http://{address}:{number}", soft_wrap=True)
    uvicorn.Server(config).run(sockets=[listening])
    engine.dispose()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise UsageError(
            f"The desk cannot listen at {host}, port {port}: {error.strerror}. "
            "Choose another port with --port."
        ) from error
