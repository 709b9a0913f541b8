"""Connections on which nothing comes, or too little: they end, and others go on."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from desk.commands import serving
from desk.commands.serving import TimedProtocol
from tests.desk.desk_process import PATIENCE

pytestmark = pytest.mark.slow

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers POST once the body was read, and GET at once."""
    if scope["method"] == "POST":
        await Request(scope, receive).body()
    await PlainTextResponse("done")(scope, receive, send)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server that waits half a second for headers, and a second for the rest."""
    monkeypatch.setattr(serving, "HEADERS_WITHIN", 0.5)
    monkeypatch.setattr(serving, "ANSWER_WITHIN", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            reading, http=TimedProtocol, lifespan="off", log_config=None, timeout_keep_alive=2
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(PATIENCE)


def seconds_until_closed(port: int, first: bytes, again: bytes = b"") -> float:
    """How long a connection lasts on which bytes come, and then some again and again."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        began = time.monotonic()
        connection.sendall(first)
        connection.settimeout(0.1)
        while time.monotonic() - began < PATIENCE:
            try:
                if again:
                    connection.sendall(again)
                if connection.recv(1_000) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:  # reset
                break
        return time.monotonic() - began


@pytest.mark.parametrize(
    ("first", "again", "least"),
    [
        (b"", b"", 0.5),
        (b"GET / HT", b"", 0.5),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"a: b\r\n", 0.5),
        (POST, b"", 1.0),
        (POST, b"x", 1.0),
        (GET, b"", 2.0),  # what uvicorn waits for the next request
        (GET, b"G", 0.5),
        (GET + GET + POST, b"x", 1.0),
        (POST.replace(b"POST", b"GET"), b"x", 0.5),  # answered before it is read
    ],
)
def test_a_connection_ends_that_is_too_slow(
    port: int, first: bytes, again: bytes, least: float
) -> None:
    lasted = seconds_until_closed(port, first, again)
    assert least * 0.9 <= lasted < PATIENCE / 4


def test_who_is_quick_is_answered_meanwhile(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        for _ in range(20):
            connection.sendall(GET)
            answer_on(connection)
            time.sleep(0.1)
        connection.sendall(POST)
        connection.sendall(b"x" * 1_000)
        answer_on(connection)


def answer_on(connection: socket.socket) -> None:
    came = b""
    while not came.endswith(b"done"):
        piece = connection.recv(1_000)
        assert piece
        came += piece
