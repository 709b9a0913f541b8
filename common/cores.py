"""The cores of this machine, one for each computation that has its turn.

Threads that compute are no faster for being more than there are cores: the system changes between
them every few milliseconds, and each finds in the caches what another has left there. Decoding
pictures and classifying them on two cores, both in as many threads, took 3 % more processor time
than each alone with batches of 8, and 8 % more with batches of 32; in turns it takes no more.
"""

import itertools
import math
import os
import threading
from bisect import insort
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_WAIT = 30.0  # seconds


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Cores:
    """Turns for what keeps a core busy for a moment and waits for nobody."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._order = itertools.count()
        self._line: list[tuple[float, int]] = []
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, rank: float = 0.0) -> Iterator[None]:
        """Hold a core.

        Of those who wait the lowest rank is next, of these the first to come; but who has waited
        for LONGEST_WAIT precedes all ranks.
        """
        with self._changed:
            if not self._take(rank, timeout=LONGEST_WAIT):
                self._take(-math.inf, timeout=None)
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def _take(self, rank: float, *, timeout: float | None) -> bool:
        place = (rank, next(self._order))
        insort(self._line, place)
        try:
            is_next = self._changed.wait_for(
                lambda: self._free > 0 and self._line[0] == place, timeout
            )
            self._free -= is_next
            return is_next
        finally:
            self._line.remove(place)
            self._changed.notify_all()


cores = Cores(available_cores())
"""Those of this process."""
