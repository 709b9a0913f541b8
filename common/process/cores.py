"""The cores of this machine, one for each computation that has its turn.

Threads that compute are no faster for being more than there are cores: the system changes between
them every few milliseconds, and each finds in the caches what another has left there. Decoding
pictures and classifying them on two cores, both in as many threads, took 3 % more processor time
than each alone with batches of 8, and 8 % more with batches of 32; in turns it takes no more.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

LONGEST_WAIT = 30.0  # seconds
SWITCH_SECONDS = 0.0005  # a tenth of CPython's own


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def switch_threads_often() -> None:
    """Let a thread that has computed not wait long for the interpreter, its core idle meanwhile.

    A worker on two cores came to 2.6 % more pictures a second.
    """
    sys.setswitchinterval(SWITCH_SECONDS)


@dataclass(eq=False, kw_only=True)
class _Waiter:
    rank: float
    called: threading.Lock
    since: float = field(default_factory=time.monotonic)

    @property
    def place(self) -> tuple[bool, float, float]:
        """The least is next."""
        return time.monotonic() < self.since + LONGEST_WAIT, self.rank, self.since


class Cores:
    """Turns for what keeps a core busy for a moment and waits for nobody.

    A core that becomes free calls one of those who wait, and is not kept for it: until a thread
    that slept is awake, one that runs can be done.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._line: list[_Waiter] = []
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, rank: float = 0.0) -> Iterator[None]:
        """Hold a core.

        Of those who wait the lowest rank is called next, of these the first to come; but who has
        waited for LONGEST_WAIT precedes all ranks.
        """
        self._begin(_Waiter(rank=rank, called=threading.Lock()))
        try:
            yield
        finally:
            self._end()

    def _begin(self, waiter: _Waiter) -> None:
        waiter.called.acquire()
        while True:
            with self._lock:
                if self._free:
                    self._free -= 1
                    return
                self._line.append(waiter)
            waiter.called.acquire()

    def _end(self) -> None:
        with self._lock:
            self._free += 1
            if self._line:
                first = min(self._line, key=lambda waiter: waiter.place)
                self._line.remove(first)
                first.called.release()


cores = Cores(available_cores())
"""Those of this process."""
