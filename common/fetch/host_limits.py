"""How fast a host may be asked, by its name and by the address that is connected to.

A host is asked politely, slower when it complains, and not at all while it is dead. One machine may
have a thousand names, so its address has limits, too. They are wider, since museums share machines.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Protocol, Self

from common.errors import RecordError
from common.fetch.addresses import IPAddress, embedded
from common.fetch.urls import CheckedUrl
from common.process.settings import ImageSettings
from common.reasons import HostSignal, Reason

THUMBNAIL_SECONDS = 0.32  # that an answer of Europeana's may take before it bounds the rate
BUSY_SECONDS = 0.1  # until a host without a free turn is worth asking about again
_ADDRESS = "ip@"  # which begins no name of a host


@dataclass(frozen=True)
class HostLimits:
    max_concurrent: int = 2
    requests_per_second: float = 4.0
    slowest: float = 1 / 64  # of the above, after many complaints
    recovery: float = 1 / 20  # of the above, regained with each good answer
    failures_to_open: int = 5  # in a row, until the host counts as dead
    open_seconds: float = 60.0  # until a dead host is tried again; doubles with every failed trial
    max_open_seconds: float = 900.0
    max_pause_seconds: float = 30.0  # a longer pause is not waited for
    fastest: float = 1.0  # of the above, where others have met with complaints

    @classmethod
    def from_settings(cls, settings: ImageSettings) -> Self:
        return cls(
            max_concurrent=settings.fetch_requests_at_a_time,
            requests_per_second=settings.fetch_requests_per_second,
        )

    @classmethod
    def of_thumbnails(cls, settings: ImageSettings) -> Self:
        rate = settings.fetch_thumbnails_per_second
        return cls(max_concurrent=ceil(rate * THUMBNAIL_SECONDS), requests_per_second=rate)

    def times(self, factor: int) -> "HostLimits":
        return replace(
            self,
            max_concurrent=self.max_concurrent * factor,
            requests_per_second=self.requests_per_second * factor,
        )

    def shared(self, slots: int, *, fastest: float) -> "HostLimits":
        """The part of one who has so many of the requests at a time, which may be none."""
        rate = self.requests_per_second * slots / self.max_concurrent
        return replace(self, max_concurrent=slots, requests_per_second=rate, fastest=fastest)


class HostLimiter(Protocol):
    """Hands out turns; one object for all that share a limit: threads, or processes by a store."""

    def try_start(self, host: str, address: IPAddress | None = None) -> float:
        """0 when a request may start now, which takes a turn; else seconds until worth asking.

        Args:
            address: where the host is; it counts there, too.

        Raises:
            TransientRecordError: `host_unavailable`, with the seconds until it may be back.
        """

    def finish(
        self,
        host: str,
        signal: HostSignal,
        retry_after: float | None = None,
        *,
        address: IPAddress | None = None,
    ) -> None:
        """Give the turn back, and say what the host answered; its address is not to blame."""


@dataclass(frozen=True)
class Standing:
    running: int = 0
    pace: float = 1.0
    pause_seconds: float = 0.0


@dataclass
class _Host:
    running: int = 0
    pace: float = 1.0  # of the full rate and concurrency
    next_start: float = 0.0
    paused_until: float = 0.0  # it asked for that
    failures: int = 0  # in a row
    open_until: float = 0.0

    def worth(self, now: float) -> tuple[bool, float]:
        """Smallest where least is lost by forgetting it: at full pace, and at rest for long."""
        quiet_since = max(self.next_start, self.paused_until, self.open_until)
        return self.pace < 1.0 or quiet_since >= now, quiet_since

    def wait(self, limits: HostLimits, now: float) -> float:
        """Seconds until a request may start, or until that is worth asking again."""
        if self.running >= self._concurrency(limits):
            return BUSY_SECONDS
        return max(0.0, max(self.next_start, self.paused_until) - now)

    def start(self, limits: HostLimits, now: float) -> None:
        self.running += 1
        pace = min(self.pace, limits.fastest)
        self.next_start = now + 1 / (limits.requests_per_second * pace)

    def _concurrency(self, limits: HostLimits) -> int:
        trying = self.failures >= limits.failures_to_open  # whether a dead host is alive again
        wanted = 1 if trying else round(limits.max_concurrent * min(self.pace, limits.fastest))
        return min(limits.max_concurrent, max(1, wanted))

    def slow_down(self, limits: HostLimits) -> None:
        self.pace = max(limits.slowest, self.pace / 2)

    def count_failure(self, limits: HostLimits, now: float) -> None:
        """Open the circuit after enough failures, for longer after each failed trial."""
        if self.open_until > now:
            return  # this one was under way when it opened
        self.failures += 1
        trials = self.failures - limits.failures_to_open
        if trials >= 0:
            seconds = min(limits.open_seconds * 2.0 ** min(trials, 10), limits.max_open_seconds)
            self.open_until = now + seconds


class LocalHostLimiter:
    """Limits shared by the threads of one process.

    The rate spaces the starts of requests. A complaint or a failure halves the pace, a good answer
    wins a little back; the pace scales rate and concurrency alike. Failures in a row open the
    circuit: the host is unavailable for a while, then one request tries it.
    """

    def __init__(
        self,
        limits: HostLimits | None = None,
        *,
        exceptions: Mapping[str, HostLimits] | None = None,
        per_address: int = 4,
        hosts_kept: int = 10_000,
    ) -> None:
        self._limits = limits or HostLimits()
        self._limits_by_address = self._limits.times(per_address)
        self._exceptions = dict(exceptions or {})
        self._hosts_kept = hosts_kept
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_settings(cls, settings: ImageSettings) -> Self:
        thumbnail_host = CheckedUrl.parse(settings.europeana_api_url).host_key
        exceptions = {thumbnail_host: HostLimits.of_thumbnails(settings)}
        return cls(
            HostLimits.from_settings(settings),
            exceptions=exceptions,
            per_address=settings.fetch_per_address_factor,
        )

    def try_start(
        self,
        host: str,
        address: IPAddress | None = None,
        *,
        shares: Mapping[str, HostLimits] | None = None,
    ) -> float:
        """See `HostLimiter`; `shares` are the parts of the limits that are ours, by key."""
        keys = self.keys(host, address)
        limits = [self.limits_of(key) if shares is None else shares[key] for key in keys]
        now = time.monotonic()
        with self._lock:
            self._make_room(now)
            limited = [(self._state(key), each) for key, each in zip(keys, limits, strict=True)]
            for state, each in limited:
                _refuse_if_unavailable(state, each, now)
            wait = max(state.wait(each, now) for state, each in limited)
            if wait == 0:
                for state, each in limited:
                    state.start(each, now)
            return wait

    def finish(
        self,
        host: str,
        signal: HostSignal,
        retry_after: float | None = None,
        *,
        address: IPAddress | None = None,
    ) -> None:
        limits = self.limits_of(host)
        now = time.monotonic()
        with self._lock:
            for key in self.keys(host, address):
                self._state(key).running -= 1
            state = self._state(host)
            if signal is HostSignal.WELL:
                state.failures = 0
                state.pace = min(1.0, state.pace + limits.recovery)
            elif signal is HostSignal.COMPLAINT:
                state.failures = 0
                state.slow_down(limits)
                state.paused_until = max(state.paused_until, now + (retry_after or 0.0))
            elif signal is HostSignal.FAILURE:
                state.slow_down(limits)
                state.count_failure(limits, now)

    def pause(self, host: str, seconds: float) -> None:
        now = time.monotonic()
        with self._lock:
            self._make_room(now)
            state = self._state(host)
            state.paused_until = max(state.paused_until, now + seconds)

    def standing(self, host: str) -> Standing:
        now = time.monotonic()
        with self._lock:
            state = self._hosts.get(host) or _Host()
            return Standing(state.running, state.pace, max(0.0, state.paused_until - now))

    def keys(self, host: str, address: IPAddress | None) -> tuple[str, ...]:
        """What a request counts by; a host with limits of its own counts by its name alone."""
        if address is None or host in self._exceptions:
            return (host,)
        return host, f"{_ADDRESS}{embedded(address)}"

    def limits_of(self, key: str) -> HostLimits:
        if key.startswith(_ADDRESS):
            return self._limits_by_address
        return self._exceptions.get(key, self._limits)

    def _state(self, host: str) -> _Host:
        return self._hosts.setdefault(host, _Host())

    def _make_room(self, now: float) -> None:
        """Forget a quarter of the hosts when there are too many, so that this is seldom needed.

        None with a request under way, which is still to end. Pauses that run go last, the shortest
        first, but they go: anybody may name any number of hosts that are dead or ask for a pause.
        """
        if len(self._hosts) < self._hosts_kept:
            return
        idle = [name for name, state in self._hosts.items() if not state.running]
        idle.sort(key=lambda name: self._hosts[name].worth(now))
        for name in idle[: len(self._hosts) - self._hosts_kept * 3 // 4]:
            del self._hosts[name]


def _refuse_if_unavailable(state: _Host, limits: HostLimits, now: float) -> None:
    if state.open_until > now:
        raise _unavailable("the host failed repeatedly", state.open_until - now)
    if state.paused_until - now > limits.max_pause_seconds:
        raise _unavailable("the host asked us to wait", state.paused_until - now)


def _unavailable(why: str, seconds: float) -> RecordError:
    return Reason.HOST_UNAVAILABLE.error(why, retry_after=seconds)
