"""Threads that do the same thing again and again for as long as their process lives."""

import threading
import time
from abc import ABC, abstractmethod
from typing import ClassVar

import structlog

from common.process.database_trouble import AWAY, is_there, trouble

STALLED_INTERVALS = 5  # without a run; a thread that works every minute may take longer

__all__ = ["AWAY", "PeriodicThread"]

log = structlog.get_logger()


class PeriodicThread(threading.Thread, ABC):
    """Calls `run_once` until it is stopped; an error is logged and ends nothing.

    While the database is away, or another process holds a lock in it, that is said once, and
    `run_once` is called as before.

    Args:
        interval: seconds between the end of one call and the start of the next.
        at_once: whether the first call comes at once, or after the interval.
    """

    stalled_after: ClassVar[float] = 60.0  # seconds

    def __init__(self, name: str, *, interval: float, at_once: bool = False) -> None:
        super().__init__(name=name, daemon=True)
        self.stopping = threading.Event()
        self._interval = interval
        self._woken = threading.Event()
        self._trouble: str | None = None
        self._excused = False  # the last call ended because the database is away
        self._ran_at: float | None = None
        self._ended_at = 0.0
        if at_once:
            self.wake()

    @abstractmethod
    def run_once(self) -> None:
        """The work; runs in this thread."""

    @property
    def seconds_since_run(self) -> float:
        """Time since `run_once` last did its work, or since the start; 0 before that."""
        return 0.0 if self._ran_at is None else time.monotonic() - self._ran_at

    @property
    def has_died(self) -> bool:
        return self.ident is not None and not (self.is_alive() or self.stopping.is_set())

    @property
    def is_stalled(self) -> bool:
        """Whether the work was not done for too long, and not because the database is away."""
        limit = max(self.stalled_after, STALLED_INTERVALS * self._interval)
        excused = self._excused and time.monotonic() - self._ended_at <= limit
        return self.seconds_since_run > limit and not excused

    def seconds_until_next(self) -> float:
        return self._interval

    def wake(self) -> None:
        self._woken.set()

    def start(self) -> None:
        self._ran_at = time.monotonic()
        super().start()

    def stop(self) -> None:
        """Ask the thread to end, and wait for the call that is under way."""
        self.stopping.set()
        self.wake()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        while True:
            self._woken.wait(self.seconds_until_next())
            self._woken.clear()
            if self.stopping.is_set():
                return
            self._try_once()

    def _try_once(self) -> None:
        found, excused = None, False
        try:
            self.run_once()
        except AWAY as error:
            found, excused = trouble(error), not is_there(error)
            if found != self._trouble:
                log.warning(f"{found}; the program tries again", thread=self.name)
        except Exception:  # else the thread would end unnoticed
            log.exception("a periodic task failed; it is tried again", thread=self.name)
            found = self._trouble
        else:
            self._ran_at = time.monotonic()
        self._trouble, self._excused, self._ended_at = found, excused, time.monotonic()
