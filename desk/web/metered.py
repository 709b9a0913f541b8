"""Counts and times the desk's requests for Prometheus, by page and status."""

import time
from collections.abc import Iterable

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OTHER = "(other)"  # paths of no page: strangers may ask for any path

REQUESTS = Counter(
    "desk_requests", "Requests by the first part of their path and by status", ["page", "status"]
)
SECONDS = Histogram(
    "desk_request_seconds",
    "From the headers of a request to the end of its answer, by the first part of its path",
    ["page"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
)


class Metered:
    """An ASGI application around another one.

    Args:
        paths: the paths of the routes. The metrics name a page by the first part of its path.
    """

    def __init__(self, app: ASGIApp, *, paths: Iterable[str]) -> None:
        self._app = app
        self._pages = {_first_part(path) for path in paths}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # if the application fails before it sends a status

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            first = _first_part(scope["path"])
            page = first if first in self._pages else OTHER
            SECONDS.labels(page).observe(time.perf_counter() - began)
            REQUESTS.labels(page, str(status)).inc()


def _first_part(path: str) -> str:
    return f"/{path.split('/')[1]}" if path.startswith("/") else path
