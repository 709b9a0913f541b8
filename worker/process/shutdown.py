"""How a worker ends: no more chunks at once, those in work finished or given back in time."""

import threading
from collections.abc import Callable

GIVE_BACK_SECONDS = 5.0  # before the end of the grace time, chunks in work are dropped


class Drain:
    """The time between SIGTERM and the end of the grace time.

    `begun`: no chunk is begun. `dropping`: chunks in work are dropped at their next record.
    `on_overdue` is called when the grace time is over and the process is still there, because a
    chunk waits for something that does not come.
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
        """Begin, once."""
        if self.begun.is_set():
            return
        self.begun.set()
        for timer in self._timers:
            timer.daemon = True
            timer.start()

    def end(self) -> None:
        """The process ends by itself."""
        for timer in self._timers:
            timer.cancel()
