"""Requests are counted by page and status, whatever strangers ask for."""

import asyncio

import pytest
from prometheus_client import REGISTRY
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from desk.web.metered import Metered


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/metered-broken":
        raise ZeroDivisionError
    await PlainTextResponse("here", 404 if scope["path"] == "/nowhere" else 200)(
        scope, receive, send
    )


PATHS = ("/metered/{number:int}", "/metered", "/metered-broken", "/{path:path}")
METERED = Metered(application, paths=PATHS)


def ask(path: str) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(METERED({"type": "http", "path": path, "method": "GET"}, receive, send))
    return sent


def counted(page: str, status: str) -> float:
    found = REGISTRY.get_sample_value("desk_requests_total", {"page": page, "status": status})
    return found or 0.0


def test_a_page_is_counted_by_its_first_part() -> None:
    for path in ("/metered", "/metered/7"):
        assert ask(path)[0]["status"] == 200
    assert counted("/metered", "200") == 2
    assert REGISTRY.get_sample_value("desk_request_seconds_count", {"page": "/metered"}) == 2


def test_what_strangers_ask_for_is_counted_together() -> None:
    before = counted("(other)", "404"), counted("(other)", "200")
    for path in ("/nowhere", "/{path:path}x", "*", ""):
        ask(path)
    assert (counted("(other)", "404"), counted("(other)", "200")) == (before[0] + 1, before[1] + 3)


def test_a_failure_is_counted_as_one() -> None:
    with pytest.raises(ZeroDivisionError):
        ask("/metered-broken")
    assert counted("/metered-broken", "500") == 1
