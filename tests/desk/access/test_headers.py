"""What every answer says, and which requests reach no page: over real HTTP."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.message import Message

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from common.process.settings.desk import AccessSettings
from desk.access.headers import POLICY, Guard

PUBLIC = AccessSettings(desk_url="https://desk.museum.example")


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(await request.body())}")


async def report(_: Request) -> PlainTextResponse:
    own = {"Content-Security-Policy": "sandbox", "Cache-Control": "max-age=60"}
    return PlainTextResponse("report", headers=own)


async def broken(_: Request) -> PlainTextResponse:
    raise ZeroDivisionError


@contextmanager
def served(settings: AccessSettings) -> Iterator[int]:
    routes = [
        Route("/", page, methods=["GET", "POST"]),
        Route("/report", report),
        Route("/broken", broken),
    ]
    app = Guard(Starlette(routes=routes), settings=settings)
    config = uvicorn.Config(app, port=0, log_level="critical", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served(AccessSettings()) as found:
        yield found


@pytest.fixture(scope="module")
def public_port() -> Iterator[int]:
    with served(PUBLIC) as found:
        yield found


@dataclass(frozen=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    headers: Message
    body: bytes


def ask(port: int, path: str = "/", **headers: str) -> Answer:
    """An answer to a GET, with headers named like `x_forwarded_for`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", path, headers=named)
        return read(connection)


def read(connection: http.client.HTTPConnection) -> Answer:
    answer = connection.getresponse()
    return Answer(answer.status, answer.headers, answer.read())


@pytest.mark.parametrize("path", ["/", "/broken", "/missing"])
def test_every_answer_tells_browsers_to_be_strict(port: int, path: str) -> None:
    answer = ask(port, path)
    told = answer.headers
    assert told["Content-Security-Policy"] == POLICY
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY
    assert told["X-Content-Type-Options"] == "nosniff"
    assert told["Referrer-Policy"] == "same-origin"
    assert told["Cross-Origin-Opener-Policy"] == "same-origin"
    assert told["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in told["Permissions-Policy"]
    assert told["Cache-Control"] == "no-store"
    assert told["Strict-Transport-Security"] is None


def test_https_is_asked_for_where_the_desk_has_it(public_port: int) -> None:
    told = ask(public_port, host="desk.museum.example").headers
    assert told["Strict-Transport-Security"] == "max-age=31536000"


def test_an_answer_may_have_a_policy_of_its_own(port: int) -> None:
    told = ask(port, "/report").headers
    assert told.get_all("Content-Security-Policy") == ["sandbox"]
    assert told.get_all("Cache-Control") == ["max-age=60"]


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8000", "127.0.0.1", "[::1]:8000"])
def test_this_machine_is_answered(port: int, public_port: int, host: str) -> None:
    assert ask(port, host=host).status == 200
    assert ask(public_port, host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "desk.museum.example.evil.example",
        "localhost.evil.example",
        "evil@localhost",
        "localhost/evil",
        "localhost:99999",
        "10.0.0.1",
        "0.0.0.0",
        "",
        "[::1",
    ],
)
def test_a_name_that_is_not_the_desks_is_refused(port: int, public_port: int, host: str) -> None:
    for each in (port, public_port):
        answer = ask(each, host=host)
        assert answer.status in (400, 421)
        assert b"evil" not in answer.body


def test_the_desks_own_name_is_answered_where_it_has_one(port: int, public_port: int) -> None:
    for host in ("desk.museum.example", "DESK.museum.example:443"):
        assert ask(public_port, host=host).status == 200
        refused = ask(port, host=host)
        assert refused.status == 421
        assert b"Set DESK_URL" in refused.body


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "via", "x_real_ip"])
def test_what_came_through_a_proxy_needs_an_address(
    port: int, public_port: int, header: str
) -> None:
    assert ask(port, **{header: "192.0.2.1"}).status == 421
    assert ask(public_port, **{header: "192.0.2.1"}).status == 200


def test_there_is_no_other_way_in(port: int) -> None:
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec_websocket_version": "13"}
    assert ask(port, sec_websocket_key="AAAAAAAAAAAAAAAAAAAAAA==", **upgrade).status < 500
