"""`desk serve`: a process of the web server."""

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
from desk.app import create_app
from desk.web.frozen_store import FrozenStoreWatch
from worker.store_gauges import StoreGauges

LOOPBACK = "127.0.0.1"
LIMITS = TimeLimits(connection=10.0)  # somebody sits there and waits
GRACE = 10  # seconds that requests have to end
HEADERS_WITHIN = 20.0  # seconds, from the opening of a connection or the first byte
ANSWER_WITHIN = 300.0  # seconds, from the headers to the end of the answer
LONGEST_HEADERS = 32_768  # bytes
PIECES, PIECE = 100, 512  # of a body: more than 100 must have half a KiB on average

console = SafeConsole(stderr=True, highlight=False)


class CountingConnection(h11.Connection):
    """Refuses a body in many small pieces: each takes as much of the processor as a large one."""

    _spare = 0

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._spare = PIECES * PIECE
        elif isinstance(event, h11.Data):
            self._spare += len(event.data) - PIECE
            if self._spare < 0:
                raise h11.RemoteProtocolError("a body in too many small pieces")
        return event


class TimedProtocol(H11Protocol):
    """Connections that end if a request, or the reading of its answer, takes too long.

    uvicorn itself limits only the pauses between requests.
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
        """The answer was sent, if perhaps not all of the request was read."""
        self._stop_waiting()
        super().on_response_complete()
        if not self.cycle.response_complete:  # the next request had come already
            self._knows_headers = True
            self._end_in(ANSWER_WITHIN)

    def send_400_response(self, msg: str) -> None:
        """What is wrong in the middle of a body cannot be said once an answer has begun."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # nothing else is sent
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def shutdown(self) -> None:
        """A request that does not come to its end holds up the end of the desk only for a while."""
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


def serve_desk(host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        UsageError: a setting is missing or malformed, or the port is taken.
        StoreError: Postgres cannot be reached or is not migrated.
    """
    settings = DeskSettings.read()
    engine = open_store(limits=LIMITS, connections=settings.desk_connections)
    watch = FrozenStoreWatch(engine, open_store(connections=1))
    _check_address(engine, settings, host)
    listening = _listen(host, port)
    server = uvicorn.Server(server_config(create_app(engine, settings)))
    address, number = listening.getsockname()[:2]
    console.print(f"The desk is at http://{address}:{number}", soft_wrap=True)
    watch.start()
    with _metrics_served(engine, settings):
        server.run(sockets=[listening])
    watch.stop()
    engine.dispose()


def server_config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",  # else its own start is told after ours
        access_log=False,
        server_header=False,
        http=TimedProtocol,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=200,
    )


@contextmanager
def _metrics_served(engine: Engine, settings: DeskSettings) -> Iterator[None]:
    """Serve metrics, if they are asked for; those of the store are there without a worker then."""
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
