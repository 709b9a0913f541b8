"""Threads that do the same thing again and again for as long as their process lives."""

import threading
from abc import ABC, abstractmethod

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

AWAY = (OperationalError, InterfaceError)  # the database is down or unreachable

log = structlog.get_logger()


class PeriodicThread(threading.Thread, ABC):
    """Calls `run_once` until it is stopped; an error is logged and ends nothing.

    While the database is away, that is said once, and `run_once` is called as before.

    Args:
        interval: seconds between the end of one call and the start of the next.
        at_once: whether the first call comes at once, or after the interval.
    """

    def __init__(self, name: str, *, interval: float, at_once: bool = False) -> None:
        super().__init__(name=name, daemon=True)
        self.stopping = threading.Event()
        self._interval = interval
        self._woken = threading.Event()
        self._database_is_away = False
        if at_once:
            self.wake()

    @abstractmethod
    def run_once(self) -> None:
        """The work; runs in this thread."""

    def wake(self) -> None:
        """Do not wait for the rest of the interval."""
        self._woken.set()

    def stop(self) -> None:
        """Ask the thread to end, and wait for the call that is under way."""
        self.stopping.set()
        self.wake()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Wait and work in turn; see `threading.Thread`."""
        while True:
            self._woken.wait(self._interval)
            self._woken.clear()
            if self.stopping.is_set():
                return
            self._try_once()

    def _try_once(self) -> None:
        try:
            self.run_once()
        except AWAY:
            if not self._database_is_away:
                log.warning("the database is away; tried again until it is back", thread=self.name)
            self._database_is_away = True
        except Exception:  # nobody would notice that the thread has ended
            log.exception("a periodic task failed; it is tried again", thread=self.name)
        else:
            self._database_is_away = False
