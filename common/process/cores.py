"""The cores of this machine: one computation at a time on each.

More computing threads than cores are slower: the system switches between them every few
milliseconds, and each pushes the data of the others out of the caches. On two cores, decoding and
classifying in two threads each took 3 % more processor time than either alone with batches of 8,
and 8 % more with batches of 32. In turns it takes no more.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

LONGEST_WAIT = 30.0  # seconds
SWITCH_SECONDS = 0.0005  # a tenth of CPython's own
# Microseconds of processor time, and the microseconds in which they may be used: "200000 100000".
CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def available_cores() -> int:
    """Cores that this process may use: no more than the limit of its container, if it has one.

    A container sees all cores of its node. With a thread for each of them it would use up its time
    at the beginning of each tenth of a second, and stand still for the rest.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return min(cores, _limit(CPU_LIMIT) or cores)


def _limit(file: Path) -> int | None:
    """Cores that a control group may use, rounded up; None without a limit."""
    try:
        quota, period = file.read_text().split()
        return None if quota == "max" else max(1, ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no Linux, control groups of version 1, or not mounted
        return None


def switch_threads_often() -> None:
    """Make threads hand the interpreter on sooner, so that no core idles while one waits for it.

    A worker on two cores gained 2.6 % more pictures a second.
    """
    sys.setswitchinterval(SWITCH_SECONDS)


@dataclass(eq=False, kw_only=True)
class _Waiter:
    rank: float
    called: threading.Lock
    since: float = field(default_factory=time.monotonic)

    @property
    def place(self) -> tuple[bool, float, float]:
        """The lowest value is next."""
        return time.monotonic() < self.since + LONGEST_WAIT, self.rank, self.since


class Cores:
    """Turns for short computations that wait for nothing.

    When a core becomes free, one waiting thread is called. The core is not reserved for it: a
    thread that is awake already may take it first, and be done before the other has woken up.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._line: list[_Waiter] = []
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, rank: float = 0.0) -> Iterator[None]:
        """Hold a core.

        The lowest rank is called next; among equal ranks, the one that has waited longest. A
        thread that has waited for LONGEST_WAIT comes before all ranks.
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
