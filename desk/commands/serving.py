"""`desk serve`: the web server process and its limits."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import h11
import uvicorn
from sqlalchemy import Engine
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from common.errors import UsageError
from common.process.metrics_server import served
from common.process.settings.desk import DeskSettings
from common.process.terminal.console import SafeConsole
from common.process.web_addresses import is_loopback
from common.store.session import TimeLimits, open_store
from desk.access.accounts import local_operator
from desk.app import create_app, create_public_app
from desk.web.frozen_store import FrozenStoreWatch
from worker.store_gauges import StoreGauges

LOOPBACK = "127.0.0.1"
LIMITS = TimeLimits(connection=10.0)  # short, because a person waits for the page
GRACE = 10  # seconds: when the desk stops, requests may take so long to end
HEADERS_WITHIN = 20.0  # seconds from the opening of a connection or the first byte
ANSWER_WITHIN = 300.0  # seconds from the headers to the end of the answer
LONGEST_HEADERS = 32_768  # bytes
PIECES, PIECE = 100, 512  # if a body has more than 100 pieces, their mean size is 512 bytes or more

console = SafeConsole(stderr=True, highlight=False)


class CountingConnection(h11.Connection):
    """Refuses a body in many small pieces: a small piece costs as much time as a large one."""

    _spare = 0

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._spare = PIECES * PIECE
        elif isinstance(event, h11.Data):
            self._spare += len(event.data) - PIECE
            if self._spare < 0:
                raise h11.RemoteProtocolError("the body has too many small pieces")
        return event


class TimedProtocol(H11Protocol):
    """Ends a connection if the browser sends a request, or reads its answer, too slowly.

    Uvicorn itself limits only the pauses between requests.
    """

    _end: asyncio.TimerHandle | None = None
    _knows_headers = False

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.conn = CountingConnection(h11.SERVER, LONGEST_HEADERS)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._end_in(HEADERS_WITHIN)

    def data_received(self, data: bytes) -> None:
        if self._end is None:
            self._end_in(HEADERS_WITHIN)
        super().data_received(data)
        if not self._knows_headers and self.conn.their_state is not h11.IDLE:
            self._knows_headers = True
            self._end_in(ANSWER_WITHIN)

    def on_response_complete(self) -> None:
        """The answer is sent. Part of the request may still be unread."""
        self._stop_waiting()
        super().on_response_complete()
        if not self.cycle.response_complete:  # the next request is here already
            self._knows_headers = True
            self._end_in(ANSWER_WITHIN)

    def send_400_response(self, msg: str) -> None:
        """If an answer has begun, an error in the body cannot have an answer of its own."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # send no more
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def shutdown(self) -> None:
        """End requests that are still incomplete after a while, so that the desk can stop."""
        super().shutdown()
        if self.cycle is not None and self.cycle.more_body:
            self._end_in(GRACE / 2)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _end_in(self, seconds: float) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = self.loop.call_later(seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
        self._knows_headers = False


def serve_desk(host: str, port: int, *, is_public: bool = False) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        is_public: only the pages that everyone may read.

    Raises:
        UsageError: a setting is missing or malformed, or the port is taken.
        StoreError: Postgres cannot be reached or is not migrated.
    """
    settings = DeskSettings.read()
    engine = open_store(limits=LIMITS, connections=settings.desk_connections)
    watch = FrozenStoreWatch(engine, open_store(connections=1))
    if not is_public:
        _check_address(engine, settings, host)
    listening = _listen(host, port)
    create = create_public_app if is_public else create_app
    server = uvicorn.Server(server_config(create(engine, settings)))
    address, number = listening.getsockname()[:2]
    name = "The public pages are" if is_public else "The desk is"
    console.print(f"{name} at http://{address}:{number}", soft_wrap=True)
    watch.start()
    with _metrics_served(engine, settings):
        server.run(sockets=[listening])
    watch.stop()
    engine.dispose()


def server_config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",  # else uvicorn repeats our message about the start
        access_log=False,
        server_header=False,
        http=TimedProtocol,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=200,
    )


@contextmanager
def _metrics_served(engine: Engine, settings: DeskSettings) -> Iterator[None]:
    """Serve metrics if the settings ask for them. Those of the store then need no worker."""
    if settings.desk_metrics_port is None:
        yield
        return
    address = str(settings.desk_metrics_address)
    with served(settings.desk_metrics_port, address, program="DESK"), ExitStack() as exits:
        gauges = StoreGauges(engine)
        gauges.start()
        exits.callback(gauges.stop)
        yield


def _check_address(engine: Engine, settings: DeskSettings, host: str) -> None:
    """Refuse to serve other machines while the desk has no accounts."""
    alone = local_operator(engine, settings, address=LOOPBACK, word="") is not None
    if alone and not is_loopback(host):
        raise UsageError(
            f"The desk has no account yet, so it can serve only this machine, not {host}. "
            "Add an account first: desk users add NAME --role operator"
        )
    if alone:
        console.print(
            "The desk has no accounts. Every user of this machine may do everything, and other "
            "machines cannot reach the desk. To serve others: desk users add NAME --role operator",
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
