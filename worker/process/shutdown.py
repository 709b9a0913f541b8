"""The end of a worker: it begins no chunk, and finishes chunks in work or gives them back."""

import threading
from collections.abc import Callable

GIVE_BACK_SECONDS = 5.0  # before the end of the grace time: unfinished chunks are given back


class Drain:
    """The time from SIGTERM to the end of the grace time.

    Once `begun` is set, no chunk is begun. Once `dropping` is set, chunks in work are dropped at
    their next record. `on_overdue` is called if the process is still there after the grace time,
    because a chunk waits for something.
    """

    def __init__(self, grace_seconds: float, *, on_overdue: Callable[[], None]) -> None:
        self.begun = threading.Event()
        self.dropping = threading.Event()
        margin = min(GIVE_BACK_SECONDS, grace_seconds / 2)
        self._timers = [
            threading.Timer(grace_seconds - margin, self.dropping.set),
            threading.Timer(grace_seconds, on_overdue),
        ]

    def begin(self) -> None:
        """Start the grace time; further calls do nothing."""
        if self.begun.is_set():
            return
        self.begun.set()
        for timer in self._timers:
            timer.daemon = True
            timer.start()

    def end(self) -> None:
        """The process has ended in time."""
        for timer in self._timers:
            timer.cancel()
