"""Whose turn is it: requests wait by host, so that no host keeps the requests of others waiting."""

import heapq
import itertools
import time
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from common.errors import RecordError
from common.fetch.host_limits import HostLimiter
from common.reasons import HostSignal

Item = TypeVar("Item")


@dataclass(frozen=True)
class Turn(Generic[Item]):
    """A request that may start now, or that may not at all for the time being."""

    host: str
    item: Item
    refused: RecordError | None = None


class PoliteQueue(Generic[Item]):
    """Gives out what may be asked for now, hosts in rotation; owned by one thread.

    Each host with something waiting stands once in a heap, under the time at which its limiter is
    worth asking again. So a turn costs a few comparisons however many requests or hosts wait.
    """

    def __init__(self, limiter: HostLimiter) -> None:
        self._limiter = limiter
        self._waiting: dict[str, deque[Item]] = {}
        self._due: list[tuple[float, int, str]] = []
        self._due_at: dict[str, float] = {}
        self._order = itertools.count()

    def put(self, host: str, item: Item, *, first: bool = False) -> None:
        """Let the item wait for a turn of its host, before the others if `first`."""
        waiting = self._waiting.get(host)
        if waiting is None:
            waiting = self._waiting[host] = deque()
            self._ask_at(host, time.monotonic())
        if first:
            waiting.appendleft(item)
        else:
            waiting.append(item)

    def take(self) -> Turn[Item] | None:
        """The next turn, or None when every host has to wait."""
        while self._due and self._due[0][0] <= time.monotonic():
            due_at, _, host = heapq.heappop(self._due)
            if self._due_at.get(host) != due_at:
                continue  # it was moved forward in the meantime
            turn = self._turn(host)
            if turn is not None:
                return turn
        return None

    def give_back(self, host: str, signal: HostSignal, retry_after: float | None = None) -> None:
        """Tell the limiter how a request ended; its host may have a turn again at once."""
        self._limiter.finish(host, signal, retry_after)
        if host in self._waiting:
            self._ask_at(host, time.monotonic())

    def seconds_until_due(self) -> float | None:
        """How long `take` will say None if nothing else happens; None when nothing waits."""
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def _turn(self, host: str) -> Turn[Item] | None:
        try:
            wait = self._limiter.try_start(host)
        except RecordError as refused:
            return Turn(host, self._pop(host), refused)
        if wait > 0:
            self._ask_at(host, time.monotonic() + wait)
            return None
        return Turn(host, self._pop(host))

    def _pop(self, host: str) -> Item:
        waiting = self._waiting[host]
        item = waiting.popleft()
        if waiting:
            self._ask_at(host, time.monotonic())
        else:
            del self._waiting[host], self._due_at[host]
        return item

    def _ask_at(self, host: str, moment: float) -> None:
        self._due_at[host] = moment
        heapq.heappush(self._due, (moment, next(self._order), host))
