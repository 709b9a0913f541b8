"""`desk serve`: a process of the web server."""

import socket

import uvicorn
from sqlalchemy import Engine

from common.errors import UsageError
from common.process.console import SafeConsole
from common.store.session import open_store
from desk.access.accounts import local_operator
from desk.access.settings import is_loopback
from desk.app import create_app
from desk.settings import DeskSettings

LOOPBACK = "127.0.0.1"
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
    _check_address(engine, settings, host)
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


def _check_address(engine: Engine, settings: DeskSettings, host: str) -> None:
    """A desk without accounts serves nobody but this machine."""
    alone = local_operator(engine, settings, address=LOOPBACK, word="") is not None
    if alone and not is_loopback(host):
        raise UsageError(
            f"The desk has no account yet, so it serves this machine only, and not {host}. "
            "Add one first: desk users add NAME --role operator"
        )
    if alone:
        console.print(
            "There is no account: whoever uses this machine may do everything, and nobody else can "
            "reach the desk. To serve others: desk users add NAME --role operator",
            soft_wrap=True,
        )


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise UsageError(
            f"The desk cannot listen at {host}, port {port}: {error.strerror}. "
            "Choose another port with --port."
        ) from error
