"""Image hosts that cost almost nothing, in their own process, so that the client is measured.

Every host is an address of 127.0.0.0/8 on one port. A path is `/<number>.jpg`. The number decides
which picture it is and whether it fails, so all clients get the same. Each host also has
Europeana's thumbnails: the first digits of `/thumbnail/v3/400/<digest>` are the number. A search,
with which a worker checks its key, has no results.
"""

import asyncio
import io
import multiprocessing
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from PIL import Image

FAULTS = ("404 Not Found", "503 Service Unavailable", "truncated")  # in turn
DISTINCT_PICTURES = 48
_START_SECONDS = 60.0
_THUMBNAILS, _SEARCH = b"/thumbnail/v3/400/", b"/record/"
_NOTHING_FOUND = b'{"success": true, "itemsCount": 0, "totalResults": 0, "items": []}'


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How the hosts answer: with the JPEGs of a folder, or with noise of `mean_bytes`."""

    hosts: int
    latency: float = 0.1
    fault_share: float = 0.03
    mean_bytes: int = 370_000
    folder: Path | None = None

    def fault(self, number: int) -> str | None:
        """The fault of this picture; None if it has none."""
        spaced = round(1 / self.fault_share) if self.fault_share else 0
        position, rest = divmod(number, spaced) if spaced else (0, 1)
        return FAULTS[position % len(FAULTS)] if rest == 0 else None


@dataclass(frozen=True)
class PictureServer:
    options: ServerOptions
    port: int

    def url(self, number: int) -> str:
        return f"http://{host_address(number % self.options.hosts)}:{self.port}/{number}.jpg"


@contextmanager
def picture_server(options: ServerOptions) -> Iterator[PictureServer]:
    """Run the hosts during the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_forever, args=(options, theirs), daemon=True)
    process.start()
    try:
        if not ours.poll(_START_SECONDS):
            raise TimeoutError("the picture server does not start")
        yield PictureServer(options, ours.recv())
    finally:
        process.terminate()
        process.join()


def host_address(number: int) -> str:
    """The address of the nth host."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


class _Hosts:
    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        if options.folder is None:
            self.pictures = _draw_pictures(options.mean_bytes)
        else:
            self.pictures = [each.read_bytes() for each in sorted(options.folder.glob("*.jpg"))]

    def answer(self, path: bytes) -> tuple[bytes, bool]:
        """The bytes to send, and whether the connection stays open."""
        if path.startswith(_SEARCH):
            return _ok("application/json", _NOTHING_FOUND), True
        number = _number_of(path)
        fault = self.options.fault(number)
        if fault is not None and fault != "truncated":
            return f"HTTP/1.1 {fault}\r\nContent-Length: 0\r\n\r\n".encode(), True
        body = self.pictures[number % len(self.pictures)]
        content = _ok("image/jpeg", body)
        return (content[: -len(body) // 2], False) if fault else (content, True)


class _Connection(asyncio.Protocol):
    """One client at one host, with one request at a time."""

    def __init__(self, hosts: _Hosts) -> None:
        self._hosts = hosts
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        path = self._received.split(b" ", 2)[1]
        self._received = b""
        loop = asyncio.get_running_loop()
        loop.call_later(self._hosts.options.latency, self._answer, path)

    def _answer(self, path: bytes) -> None:
        content, stands = self._hosts.answer(path)
        self._transport.write(content)
        if not stands:
            self._transport.close()


def _ok(kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _number_of(path: bytes) -> int:
    """The number of the picture at a path."""
    if path.startswith(_THUMBNAILS):
        return int(path.removeprefix(_THUMBNAILS)[:8], 16)
    return int(path[1:].partition(b".")[0])


def _serve_forever(options: ServerOptions, told: Connection) -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(options, told))


async def _serve(options: ServerOptions, told: Connection) -> None:
    hosts = _Hosts(options)
    loop = asyncio.get_running_loop()
    port = 0
    for number in range(options.hosts):
        listening = socket.create_server((host_address(number), port), backlog=1024)
        port = listening.getsockname()[1]
        await loop.create_server(lambda: _Connection(hosts), sock=listening)
    told.send(port)
    await asyncio.Event().wait()


def _draw_pictures(mean_bytes: int) -> list[bytes]:
    """JPEGs of noise; their sizes are from a third to three times the median, like real files."""
    rng = random.Random(1)
    shares = [rng.lognormvariate(0, 0.5) for _ in range(DISTINCT_PICTURES)]
    scale = mean_bytes / (sum(shares) / len(shares))
    return [_noise(rng, round(share * scale)) for share in shares]


def _noise(rng: random.Random, size: int) -> bytes:
    """A JPEG of about this size: noise takes 0.6 bytes per pixel at this quality, the head 600."""
    side = max(16, round((max(0, size - 600) / 0.6) ** 0.5))
    jpeg = io.BytesIO()
    image = Image.frombytes("RGB", (side, side), rng.randbytes(3 * side * side))
    image.save(jpeg, "JPEG", quality=75)
    return jpeg.getvalue()
