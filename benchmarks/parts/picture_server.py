"""Image hosts that cost next to nothing, in a process of their own: what is measured is the client.

Every host is an address of 127.0.0.0/8 on one port. A path is `/<number>.jpg`, and the number
decides which picture it is and whether it fails, so that every client meets the same. Each host has
Europeana's thumbnails as well: the first digits of `/thumbnail/v3/400/<digest>` are the number.
"""

import asyncio
import io
import json
import multiprocessing
import random
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from urllib.request import urlopen

from PIL import Image

FAULTS = ("404 Not Found", "503 Service Unavailable", "truncated")  # in turn
DISTINCT_PICTURES = 48
NEVER = float("inf")
_START_SECONDS = 60.0
_THUMBNAILS = b"/thumbnail/v3/400/"


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How the hosts answer; `delays` are the seconds of the hosts that differ from `latency`."""

    hosts: int
    latency: float = 0.1
    fault_share: float = 0.03
    mean_bytes: int = 370_000
    delays: Mapping[str, float] = field(default_factory=dict)

    def host(self, number: int) -> str:
        """The address of the host that has this picture."""
        return host_address(number % self.hosts)

    def fault(self, number: int) -> str | None:
        """What goes wrong with this picture, if anything."""
        spaced = round(1 / self.fault_share) if self.fault_share else 0
        position, rest = divmod(number, spaced) if spaced else (0, 1)
        return FAULTS[position % len(FAULTS)] if rest == 0 else None


@dataclass(frozen=True)
class PictureServer:
    """A running server: its port, and what it saw."""

    options: ServerOptions
    port: int

    def url(self, number: int) -> str:
        """The URL of a picture."""
        return f"http://{self.options.host(number)}:{self.port}/{number}.jpg"

    def seen(self) -> dict[str, dict[str, float]]:
        """By host: requests, the most at once, and the most starts a second."""
        with urlopen(f"http://{host_address(0)}:{self.port}/seen", timeout=10) as answer:
            seen: dict[str, dict[str, float]] = json.load(answer)
        return seen


@contextmanager
def picture_server(options: ServerOptions) -> Iterator[PictureServer]:
    """The hosts, for the time of the block."""
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


@dataclass
class _Seen:
    """What one host was asked."""

    requests: int = 0
    in_flight: int = 0
    most_at_once: int = 0
    starts: list[float] = field(default_factory=list)

    def most_a_second(self, window: float = 2.0) -> float:
        most, first = 0, 0
        for last, started in enumerate(self.starts):
            while self.starts[first] < started - window:
                first += 1
            most = max(most, last - first + 1)
        return most / window


class _Hosts:
    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self.pictures = _draw_pictures(options.mean_bytes)
        self.seen: dict[str, _Seen] = {}

    def answer(self, number: int) -> tuple[bytes, bool]:
        """What to send, and whether the connection stands after it."""
        fault = self.options.fault(number)
        if fault is not None and fault != "truncated":
            return f"HTTP/1.1 {fault}\r\nContent-Length: 0\r\n\r\n".encode(), True
        body = self.pictures[number % len(self.pictures)]
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
        kept = body[: len(body) // 2] if fault else body
        return head.encode() + kept, fault is None

    def told(self) -> bytes:
        """What was seen, as an answer."""
        seen = {
            host: {
                "requests": state.requests,
                "most_at_once": state.most_at_once,
                "most_a_second": state.most_a_second(),
            }
            for host, state in self.seen.items()
        }
        body = json.dumps(seen).encode()
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class _Connection(asyncio.Protocol):
    """One client at one host; a request at a time."""

    def __init__(self, hosts: _Hosts) -> None:
        self._hosts = hosts
        self._received = b""
        self._pending: asyncio.TimerHandle | None = None
        self._is_asking = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._host: str = transport.get_extra_info("sockname")[0]

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        path = self._received.split(b" ", 2)[1]
        self._received = b""
        if path == b"/seen":
            self._transport.write(self._hosts.told())
            return
        state = self._hosts.seen.setdefault(self._host, _Seen())
        state.requests += 1
        state.in_flight += 1
        state.most_at_once = max(state.most_at_once, state.in_flight)
        loop = asyncio.get_running_loop()
        state.starts.append(loop.time())
        self._is_asking = True
        delay = self._hosts.options.delays.get(self._host, self._hosts.options.latency)
        if delay != NEVER:
            self._pending = loop.call_later(delay, self._answer, _number_of(path))

    def _answer(self, number: int) -> None:
        content, stands = self._hosts.answer(number)
        self._end_request()
        self._transport.write(content)
        if not stands:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if self._pending is not None:
            self._pending.cancel()
        self._end_request()

    def _end_request(self) -> None:
        if self._is_asking:
            self._hosts.seen[self._host].in_flight -= 1
        self._is_asking = False


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
    """JPEGs of noise and of sizes from a third to three times the median, as files go."""
    rng = random.Random(1)
    shares = [rng.lognormvariate(0, 0.5) for _ in range(DISTINCT_PICTURES)]
    scale = mean_bytes / (sum(shares) / len(shares))
    return [_noise(rng, round(share * scale)) for share in shares]


def _noise(rng: random.Random, size: int) -> bytes:
    """A JPEG of about this size: noise costs 0.6 bytes a pixel at this quality, the head 600."""
    side = max(16, round((max(0, size - 600) / 0.6) ** 0.5))
    jpeg = io.BytesIO()
    image = Image.frombytes("RGB", (side, side), rng.randbytes(3 * side * side))
    image.save(jpeg, "JPEG", quality=75)
    return jpeg.getvalue()


def expected_pictures(options: ServerOptions, count: int) -> Counter[str]:
    """How many of the first pictures are sound (`ok`), and how many fail in which way."""
    return Counter(options.fault(number) or "ok" for number in range(count))
