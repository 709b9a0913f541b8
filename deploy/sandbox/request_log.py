"""The requests to the sandbox, by host: they prove that clients keep to their limits."""

import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiohttp import web

from deploy.sandbox.api.keys import Handler

KEPT_ENTRIES = 10_000  # per host


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and its result; times in seconds, as of `time.monotonic`."""

    started: float
    finished: float
    path: str
    status: int
    headers: dict[str, str]


@dataclass
class HostLog:
    """All requests to one address: counts, and the latest entries in the order of their end."""

    requests: int = 0
    in_flight: int = 0
    most_at_once: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=KEPT_ENTRIES))


class RequestLog(dict[str, HostLog]):
    """From address to the requests to it."""

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__({address: HostLog() for address in addresses})

    @web.middleware
    async def record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count a request from its head to the end of its handler."""
        log = self[local_address(request)]
        started = time.monotonic()
        log.requests += 1
        log.in_flight += 1
        log.most_at_once = max(log.most_at_once, log.in_flight)
        status = 0  # broken off
        try:
            response = await handler(request)
            status = response.status
            return response  # noqa: TRY300 - an else would hide what the status is for
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            log.in_flight -= 1
            log.statuses[status] += 1
            headers = {name.lower(): value for name, value in request.headers.items()}
            log.entries.append(Entry(started, time.monotonic(), request.path, status, headers))

    async def answer(self, _: web.Request) -> web.Response:
        """The handler of `/sandbox/requests`: the counts, for programs in other processes."""
        counts = {
            address: {
                "requests": log.requests,
                "most_at_once": log.most_at_once,
                "statuses": log.statuses,
            }
            for address, log in self.items()
        }
        return web.json_response(counts)


def local_address(request: web.Request) -> str:
    """The address that the client connected to, whatever its Host header says."""
    if request.transport is None:
        raise web.HTTPServiceUnavailable(text="The connection is gone.")
    address: str = request.transport.get_extra_info("sockname")[0]
    return address
