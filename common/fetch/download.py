"""Many pictures at once: hundreds of connections, bounded memory, every host treated politely."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, ParamSpec, TypeVar

from common.errors import RecordError
from common.fetch.addresses import IPAddress
from common.fetch.client import Fetched, FetchRequest, PictureFetcher
from common.fetch.host_limits import HostLimiter
from common.fetch.turns import AddressLookUp, PoliteQueue, Turn
from common.reasons import HostSignal, retry_after_of, signal_of

Key = TypeVar("Key")
Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")
NextWait = Callable[[int], float]
"""Seconds to wait for the next picture, given how many have not come yet.

It is called once all pictures are known. The wait also covers a picture that is not yet requested
because too many bytes are unread.
"""

HANDFUL = 16  # pictures that `arrived` gets at a time, at most
CONNECTIONS = 128  # with a tenth of a second to each answer, about 1,000 pictures a second
WINDOW = 10_000  # pictures known at a time, among which hosts are interleaved
LEAST_BYTES = 64_000  # that a picture counts for: many small ones are much memory, too


class UnreadBytes:
    """Bounds the finished pictures that wait to be taken, of all downloads that share this.

    At the limit a download begins a picture only when it has none unread: so all of them go on.
    """

    def __init__(self, limit: int = 64_000_000) -> None:
        self._limit = limit
        self._count = 0
        self._lock = threading.Lock()

    @property
    def is_full(self) -> bool:
        return self._count >= self._limit

    def add(self, size: int) -> None:
        with self._lock:
            self._count += size


@dataclass(frozen=True)
class FetchOutcome(Generic[Key]):
    key: Key
    result: Fetched | RecordError


Arrived = Callable[[Sequence[FetchOutcome[Key]]], None]


def fetch_all(
    items: Iterable[tuple[Key, str]],
    *,
    fetcher: PictureFetcher,
    limiter: HostLimiter,
    threads: int = CONNECTIONS,
    window: int = WINDOW,
    unread: UnreadBytes | None = None,
    next_wait: NextWait | None = None,
    arrived: "Arrived[Key] | None" = None,
) -> Generator[FetchOutcome[Key], None, None]:
    """Fetch the picture of every (key, URL), as fast as their hosts allow, in no order.

    `items` may be endless; it is read in the caller's thread, up to `window` ahead. Mix the hosts
    in it: a window full of one host's pictures goes at that host's pace. Closing the generator
    stops what is under way and leaves no thread.

    Args:
        threads: connections at a time.
        unread: to be shared with other downloads of this process.
        next_wait: when the wait for the next picture is over, the generator ends, and the pictures
            that have not come get no outcome.
        arrived: is called in the caller's thread with pictures that have come, up to HANDFUL of
            them but without waiting for more, before they are handed out one by one.
    """
    download: _Download[Key] = _Download(
        fetcher, limiter, threads=threads, unread=unread, arrived=arrived
    )
    with closing(download):
        yield from download.outcomes(items, window=window, next_wait=next_wait)


@dataclass(frozen=True)
class _Task(Generic[Key]):
    key: Key
    request: FetchRequest


class _Download(Generic[Key]):
    """Three parties that talk by queues alone: the caller, a scheduler thread, and fetch threads.

    The scheduler owns the polite queue and all counts; others send it messages, which are functions
    that it calls.
    """

    def __init__(
        self,
        fetcher: PictureFetcher,
        limiter: HostLimiter,
        *,
        threads: int,
        unread: UnreadBytes | None,
        arrived: "Arrived[Key] | None",
    ) -> None:
        self._fetcher = fetcher
        self._arrived = arrived
        self._handful: deque[FetchOutcome[Key]] = deque()
        self._queue: PoliteQueue[_Task[Key]] = PoliteQueue(limiter)
        self._idle_threads = threads
        self._unread = unread or UnreadBytes()
        self._own_unread = 0
        self._messages: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._results: SimpleQueue[FetchOutcome[Key] | Future[None]] = SimpleQueue()
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(threads + 1, thread_name_prefix="fetch")
        self._in_pool(self._schedule).add_done_callback(self._results.put)

    def close(self) -> None:
        """Stop what is under way, wait until it has stopped, and return what was taken."""
        self._stopped.set()
        self._messages.put(lambda: None)
        self._pool.shutdown(wait=True, cancel_futures=True)
        with suppress(Empty):
            while True:  # the scheduler has ended; turns of hosts are given back here
                self._messages.get_nowait()()
        self._count_unread(-self._own_unread)

    # In the caller's thread.

    def outcomes(
        self, items: Iterable[tuple[Key, str]], *, window: int, next_wait: NextWait | None
    ) -> Iterator[FetchOutcome[Key]]:
        """Read items and hand out outcomes in turn, so that neither waits for the other."""
        source = iter(items)
        known = 0
        exhausted = False
        while not exhausted or known:
            if not exhausted and known < window:
                item = next(source, None)
                exhausted = item is None
                if item is not None:
                    self._messages.put(partial(self._add, *item))
                    known += 1
            wait = known > 0 and (exhausted or known >= window)
            seconds = next_wait(known) if wait and next_wait else None
            outcome = self._next_outcome(wait=wait, seconds=seconds)
            if outcome is not None:
                known -= 1
                yield outcome
                self._messages.put(partial(self._count_unread, -_size(outcome)))
            elif wait:
                return  # the wait is over

    def _next_outcome(self, *, wait: bool, seconds: float | None) -> FetchOutcome[Key] | None:
        if not self._handful:
            self._gather(wait=wait, seconds=seconds)
            if self._handful and self._arrived:
                self._arrived(list(self._handful))
        return self._handful.popleft() if self._handful else None

    def _gather(self, *, wait: bool, seconds: float | None) -> None:
        with suppress(Empty):
            self._take(self._results.get(block=wait, timeout=seconds))
            while self._arrived and len(self._handful) < HANDFUL:
                self._take(self._results.get_nowait())

    def _take(self, result: "FetchOutcome[Key] | Future[None]") -> None:
        if isinstance(result, FetchOutcome):
            self._handful.append(result)
        else:
            result.result()  # the scheduler ended, which it does with an error alone

    # In the scheduler's thread.

    def _schedule(self) -> None:
        while not self._stopped.is_set():
            self._start_requests()
            timeout = self._queue.seconds_until_due() if self._has_room() else None
            try:
                self._messages.get(timeout=timeout)()
            except Empty:
                continue

    def _has_room(self) -> bool:
        may_begin = self._own_unread == 0 or not self._unread.is_full
        return self._idle_threads > 0 and may_begin

    def _start_requests(self) -> None:
        while self._has_room() and (turn := self._queue.take()) is not None:
            if isinstance(turn, AddressLookUp):
                self._submit(self._fetcher.locate, turn.item.request, partial(self._located, turn))
            elif turn.refused is not None:
                self._results.put(FetchOutcome(turn.item.key, turn.refused))
            elif turn.not_found is not None:
                self._failed(turn, turn.not_found)
            else:
                request = replace(turn.item.request, addresses=turn.addresses)
                self._submit(self._fetcher.step, request, partial(self._finished, turn))

    def _submit(
        self,
        step: Callable[[FetchRequest, threading.Event], Value],
        request: FetchRequest,
        then: "Callable[[Future[Value]], None]",
    ) -> None:
        """Run the step in a fetch thread, and hear of its end in the scheduler's."""

        def announce(done: "Future[Value]") -> None:
            self._messages.put(partial(self._ended, done, then))

        self._idle_threads -= 1
        self._in_pool(step, request, self._stopped).add_done_callback(announce)

    def _in_pool(
        self,
        function: Callable[Arguments, Value],
        *args: Arguments.args,
        **named: Arguments.kwargs,
    ) -> "Future[Value]":
        """Call it in a thread of the pool, whose log then names the caller's job and chunk."""
        context = copy_context()
        return self._pool.submit(lambda: context.run(function, *args, **named))

    def _ended(self, done: "Future[Value]", then: "Callable[[Future[Value]], None]") -> None:
        self._idle_threads += 1
        then(done)

    def _add(self, key: Key, url: str) -> None:
        try:
            request = self._fetcher.request(url)
        except RecordError as error:
            self._results.put(FetchOutcome(key, error))
        else:
            self._queue.put(request.url.host_key, _Task(key, request))

    def _located(
        self, look_up: AddressLookUp[_Task[Key]], done: "Future[tuple[IPAddress, ...]]"
    ) -> None:
        if done.cancelled():
            return
        try:
            self._queue.found(look_up.host, done.result())
        except RecordError as error:
            self._queue.not_found(look_up.host, error)

    def _finished(self, turn: Turn[_Task[Key]], done: "Future[Fetched | FetchRequest]") -> None:
        if done.cancelled():
            self._queue.give_back(turn, HostSignal.NOTHING)
            return
        try:
            answer = done.result()
        except RecordError as error:
            self._failed(turn, error)
            return
        key = turn.item.key
        if isinstance(answer, Fetched):
            self._queue.give_back(turn, HostSignal.WELL)
            outcome = FetchOutcome(key, answer)
            self._count_unread(_size(outcome))
            self._results.put(outcome)
        elif answer.addresses:  # the first one accepts no connection
            self._queue.give_back(turn, HostSignal.NOTHING)
            self._queue.put(turn.host, _Task(key, answer), first=True)
            self._queue.found(turn.host, answer.addresses)
        else:
            self._queue.give_back(turn, HostSignal.WELL)
            self._queue.put(answer.url.host_key, _Task(key, answer), first=True)

    def _failed(self, turn: Turn[_Task[Key]], error: RecordError) -> None:
        self._queue.give_back(turn, signal_of(error), retry_after_of(error))
        self._results.put(FetchOutcome(turn.item.key, error))

    def _count_unread(self, size: int) -> None:
        self._own_unread += size
        self._unread.add(size)


def _size(outcome: FetchOutcome[Key]) -> int:
    result = outcome.result
    return max(LEAST_BYTES, len(result.content)) if isinstance(result, Fetched) else 0
