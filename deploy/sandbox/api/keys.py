"""API keys and their quota, like Europeana's since the reform of 2025.

A key is looked for in `wskey`, then in `X-Api-Key`. The window of a quota is aligned to the clock.
https://europeana.atlassian.net/wiki/spaces/EF/pages/2462351393
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from deploy.sandbox.api.refusals import RequestRefusedError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KeyedHandler = Callable[[web.Request], Awaitable[web.Response]]
KEY = web.RequestKey("apikey", str)


@dataclass(frozen=True)
class Quota:
    """How many requests a key has in a window of `seconds`."""

    requests: int = 10_000
    seconds: int = 3600


class Keys:
    """The known keys, and how much of its quota each has used."""

    def __init__(self, keys: Sequence[str], quota: Quota) -> None:
        self._keys = frozenset(keys)
        self._quota = quota
        self._window = 0
        self._used: Counter[str] = Counter()

    def guard(self, handler: KeyedHandler) -> KeyedHandler:
        """The handler behind the check of key and quota; refusals become answers."""

        async def guarded(request: web.Request) -> web.Response:
            key: str | None = None
            try:
                key = self._check(request)
                self._spend(key)
                request[KEY] = key
                response = await handler(request)
            except RequestRefusedError as refusal:
                response = refusal.response(key if refusal.status != 429 else None)
            if key is not None:
                response.headers.update(self._limits(key))
            return response

        return guarded

    def _check(self, request: web.Request) -> str:
        key = request.query.get("wskey") or request.headers.get("X-Api-Key")
        if not key:
            raise RequestRefusedError(
                401, "Unauthorized", code="invalid_apikey", message="Invalid API key provided!"
            )
        if key not in self._keys:
            raise RequestRefusedError(
                401,
                "API key is invalid",
                code="401_key_invalid",
                message="Please register for an API key",
            )
        return key

    def _spend(self, key: str) -> None:
        window = int(time.time()) // self._quota.seconds
        if window != self._window:
            self._window = window
            self._used.clear()
        self._used[key] += 1
        if self._used[key] > self._quota.requests:
            limit = f"{self._quota.requests} requests per {self._quota.seconds / 60:g} minutes"
            raise RequestRefusedError(
                429,
                f"Personal key client has reached the limit of {limit}",
                code="429_limit_personal",
                message=f"The use of personal keys is limited to {limit}.",
            )

    def _limits(self, key: str) -> dict[str, str]:
        left = max(0, self._quota.requests - self._used[key])
        reset = self._quota.seconds - int(time.time()) % self._quota.seconds
        return {
            "RateLimit-Policy": f'"personal";q={self._quota.requests};w={self._quota.seconds}',
            "RateLimit": f'"personal";r={left};t={reset}',
        }
