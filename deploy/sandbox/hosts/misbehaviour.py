"""Apply faults: wait, spoil the answer, send it too slowly, or break the connection."""

import asyncio
import hashlib
import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from deploy.sandbox.faults import Fault
from deploy.sandbox.hosts.bombs import gzip_bomb, pixel_bomb

Respond = Callable[[], Awaitable[web.Response]]
Spoil = Callable[[web.Request, web.Response, Fault], Awaitable[web.StreamResponse]]

PAGE = "<!DOCTYPE html><html><head><title>Not here</title></head><body>Moved.</body></html>"
DRIPS_PER_SECOND = 5
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


class Misbehaviour:
    """Decides which faults are due, and counts requests for faults with `first`."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._struck: Counter[tuple[Fault, str]] = Counter()

    async def answer(
        self,
        request: web.Request,
        respond: Respond,
        *,
        faults: Sequence[Fault],
        name: str,
        file: Path | None = None,
    ) -> web.StreamResponse:
        """The answer of `respond` after the faults; `name` identifies the URL.

        If no fault changes the bytes, a `file` with the same bytes is sent, which takes a third
        less processor time.
        """
        due = [fault for fault in faults if self._is_due(fault, name)]
        await asyncio.sleep(sum(self._delay(fault, name) for fault in due))
        if file is not None and all(fault.kind == "latency" for fault in due):
            return web.FileResponse(file)
        response = await self._spoiled(request, respond, due)
        slow = next((fault.bytes_per_second for fault in due if fault.kind == "drip"), None)
        if slow is not None and isinstance(response, web.Response):
            return await _send_slowly(request, response, slow)
        return response

    async def _spoiled(
        self, request: web.Request, respond: Respond, due: Sequence[Fault]
    ) -> web.StreamResponse:
        fault = next((fault for fault in due if fault.kind not in ("latency", "drip")), None)
        if fault is None:
            return await respond()
        if fault.kind == "status":
            return _error(request, fault)
        return await SPOILERS[fault.kind](request, await respond(), fault)

    def _is_due(self, fault: Fault, name: str) -> bool:
        if self._chance(fault, name) >= fault.probability:
            return False
        if fault.first is None:
            return True
        count = (fault, name.partition("?")[0])
        self._struck[count] += 1
        return self._struck[count] <= fault.first

    def _delay(self, fault: Fault, name: str) -> float:
        if fault.kind != "latency" or fault.seconds is None:
            return 0.0
        if isinstance(fault.seconds, tuple):
            least, most = fault.seconds
            return least + (most - least) * self._chance(fault, f"{name} latency")
        return fault.seconds

    def _chance(self, fault: Fault, name: str) -> float:
        """A number from 0 to below 1 that is always the same for a fault and a URL."""
        digest = hashlib.sha256(f"{self._seed} {fault} {name}".encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64


def _error(request: web.Request, fault: Fault) -> web.Response:
    status = fault.status or 500
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if request.path.endswith(".json"):
        body = {"success": False, "error": "The sandbox fails on purpose", "code": f"{status}-SA"}
        return web.json_response(body, status=status, headers=headers)
    return web.Response(status=status, headers=headers, text="The sandbox fails on purpose.")


async def _truncate(_: web.Request, response: web.Response, __: Fault) -> web.Response:
    body = _body(response)
    return web.Response(body=body[: len(body) // 2], content_type=response.content_type)


async def _show_page(_: web.Request, __: web.Response, ___: Fault) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


async def _call_it_text(_: web.Request, response: web.Response, __: Fault) -> web.Response:
    return web.Response(body=_body(response), content_type="text/plain")


async def _redirect(_: web.Request, __: web.Response, fault: Fault) -> web.Response:
    return web.Response(status=302, headers={"Location": fault.location or "/"})


async def _redirect_to_itself(request: web.Request, _: web.Response, __: Fault) -> web.Response:
    hop = int(request.query.get("hop", "0")) + 1
    return web.Response(status=302, headers={"Location": f"{request.path}?hop={hop}"})


async def _send_gzip_bomb(_: web.Request, __: web.Response, ___: Fault) -> web.Response:
    body = await asyncio.to_thread(gzip_bomb)
    return web.Response(body=body, headers={"Content-Encoding": "gzip"}, content_type="image/jpeg")


async def _send_pixel_bomb(_: web.Request, __: web.Response, ___: Fault) -> web.Response:
    return web.Response(body=await asyncio.to_thread(pixel_bomb), content_type="image/png")


async def _never_end(request: web.Request, response: web.Response, _: Fault) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": response.content_type})
    await stream.prepare(request)
    await stream.write(_body(response)[:1024])
    noise = random.Random(1).randbytes(2**16)
    transport = request.transport  # aiohttp forgets it when the sandbox stops
    try:
        with suppress(ConnectionResetError):
            while True:  # until the client closes the connection
                await stream.write(noise)
    finally:
        if transport is not None:
            transport.abort()  # closing would wait until all is sent
    return stream


async def _reset(request: web.Request, response: web.Response, _: Fault) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": response.content_type})
    body = _body(response)
    stream.content_length = len(body)
    await stream.prepare(request)
    await stream.write(body[: len(body) // 2])
    _break_off(request)
    return stream


async def _lose(request: web.Request, response: web.Response, fault: Fault) -> web.StreamResponse:
    if fault.status is not None:
        return _error(request, fault)
    _break_off(request)
    return response


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        connection: socket.socket = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        request.transport.abort()


async def _send_slowly(
    request: web.Request, response: web.Response, rate: int
) -> web.StreamResponse:
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    body = _body(response)
    stream.content_length = len(body)
    await stream.prepare(request)
    drip = max(1, rate // DRIPS_PER_SECOND)
    with suppress(ConnectionResetError):  # the client closed the connection
        for start in range(0, len(body), drip):
            await stream.write(body[start : start + drip])
            await asyncio.sleep(drip / rate)
        await stream.write_eof()
    return stream


def _body(response: web.Response) -> bytes:
    return bytes(response.body) if isinstance(response.body, bytes | bytearray) else b""


SPOILERS: dict[str, Spoil] = {
    "truncated": _truncate,
    "html": _show_page,
    "wrong_type": _call_it_text,
    "redirect": _redirect,
    "redirect_loop": _redirect_to_itself,
    "gzip_bomb": _send_gzip_bomb,
    "pixel_bomb": _send_pixel_bomb,
    "endless": _never_end,
    "reset": _reset,
    "lost": _lose,
}
