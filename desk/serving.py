"""`desk serve`: a process of the web server."""

import uvicorn

from common.process.console import SafeConsole
from common.store.session import open_store
from desk.app import create_app
from desk.settings import DeskSettings

GRACE = 10  # seconds that requests have to end

console = SafeConsole(stderr=True, highlight=False)


def serve_desk(host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        UsageError: a setting is missing or malformed.
        StoreError: Postgres cannot be reached or is not migrated.
    """
    settings = DeskSettings.read()
    engine = open_store(connections=settings.desk_connections)
    config = uvicorn.Config(
        create_app(engine, settings),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=200,
        h11_max_incomplete_event_size=32_768,
    )
    console.print(f"The desk is at http://{host}:{port}", soft_wrap=True)
    uvicorn.Server(config).run()
