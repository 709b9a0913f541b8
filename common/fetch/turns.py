"""Whose turn it is: requests wait by host, so that no host keeps the requests of others waiting."""

import heapq
import itertools
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from common.errors import RecordError
from common.fetch.addresses import IPAddress
from common.fetch.host_limits import HostLimiter
from common.reasons import HostSignal

FOUND_SECONDS = 30.0  # that the addresses of a host are used before they are looked up again
NOT_FOUND_SECONDS = 2.0  # that requests fail because a look-up has failed
Item = TypeVar("Item")


@dataclass(frozen=True)
class Turn(Generic[Item]):
    """A request that may start now, or that may not at all for the time being."""

    host: str
    item: Item
    addresses: tuple[IPAddress, ...] = ()  # to try in this order; the turn is one at the first
    not_found: RecordError | None = None  # why there are none; the turn is to be given back
    refused: RecordError | None = None  # why there is no turn


@dataclass(frozen=True)
class AddressLookUp(Generic[Item]):
    """The addresses of a host are to be found for this request, and for those behind it."""

    host: str
    item: Item


@dataclass(frozen=True)
class _HostAddresses:
    """Where a host is, or why that is unknown."""

    addresses: tuple[IPAddress, ...]
    not_found: RecordError | None
    until: float


class PoliteQueue(Generic[Item]):
    """Gives out what may be asked for now, hosts in rotation; owned by one thread.

    Each host with something waiting stands once in a heap, under the time at which its limiter is
    worth asking again. So a turn costs a few comparisons however many requests or hosts wait. A
    host whose addresses are being looked up does not stand there.
    """

    def __init__(self, limiter: HostLimiter) -> None:
        self._limiter = limiter
        self._waiting: dict[str, deque[Item]] = {}
        self._addresses: dict[str, _HostAddresses] = {}
        self._looked_up: set[str] = set()  # just now
        self._due: list[tuple[float, int, str]] = []
        self._due_at: dict[str, float] = {}
        self._order = itertools.count()

    def put(self, host: str, item: Item, *, first: bool = False) -> None:
        waiting = self._waiting.get(host)
        if waiting is None:
            waiting = self._waiting[host] = deque()
            self._ask_at(host, time.monotonic())
        if first:
            waiting.appendleft(item)
        else:
            waiting.append(item)

    def take(self) -> Turn[Item] | AddressLookUp[Item] | None:
        while self._due and self._due[0][0] <= time.monotonic():
            due_at, _, host = heapq.heappop(self._due)
            if self._due_at.get(host) != due_at:
                continue  # it was moved forward before this
            turn = self._next_of(host)
            if turn is not None:
                return turn
        return None

    def found(self, host: str, addresses: Sequence[IPAddress]) -> None:
        self._note_addresses(
            host, _HostAddresses(tuple(addresses), None, time.monotonic() + FOUND_SECONDS)
        )

    def not_found(self, host: str, error: RecordError) -> None:
        self._note_addresses(host, _HostAddresses((), error, time.monotonic() + NOT_FOUND_SECONDS))

    def give_back(
        self, turn: Turn[Item], signal: HostSignal, retry_after: float | None = None
    ) -> None:
        address = turn.addresses[0] if turn.addresses else None
        self._limiter.finish(turn.host, signal, retry_after, address=address)
        if turn.host in self._waiting:
            self._ask_at(turn.host, time.monotonic())

    def seconds_until_due(self) -> float | None:
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def _note_addresses(self, host: str, known: _HostAddresses) -> None:
        self._looked_up.discard(host)
        if host in self._waiting:
            self._addresses[host] = known
            self._ask_at(host, time.monotonic())

    def _next_of(self, host: str) -> Turn[Item] | AddressLookUp[Item] | None:
        if host in self._looked_up:
            return None
        known = self._addresses.get(host)
        if known is None or known.until <= time.monotonic():
            self._looked_up.add(host)
            return AddressLookUp(host, self._waiting[host][0])
        return self._turn(host, known)

    def _turn(self, host: str, known: _HostAddresses) -> Turn[Item] | None:
        waits = []
        for address in known.addresses or (None,):
            try:
                wait = self._limiter.try_start(host, address)
            except RecordError as refused:
                return Turn(host, self._pop(host), refused=refused)
            if wait == 0:
                addresses = sorted(known.addresses, key=lambda other: other != address)
                return Turn(host, self._pop(host), tuple(addresses), known.not_found)
            waits.append(wait)
        self._ask_at(host, time.monotonic() + min(waits))
        return None

    def _pop(self, host: str) -> Item:
        waiting = self._waiting[host]
        item = waiting.popleft()
        if waiting:
            self._ask_at(host, time.monotonic())
        else:
            del self._waiting[host], self._due_at[host]
            self._addresses.pop(host, None)
        return item

    def _ask_at(self, host: str, moment: float) -> None:
        self._due_at[host] = moment
        heapq.heappush(self._due, (moment, next(self._order), host))
