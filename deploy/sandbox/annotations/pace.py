"""How fast writing requests come, and the most that are answered in a second."""

import time
from collections import deque

from deploy.sandbox.api.refusals import RequestRefusedError

SECOND = 1.0


class WritePace:
    """Keeps the time at which each writing request arrived, as of `time.monotonic`."""

    def __init__(self, most_a_second: int | None) -> None:
        self.arrivals: list[float] = []
        self._most = most_a_second
        self._accepted: deque[float] = deque(maxlen=most_a_second)

    def arrive(self) -> int:
        """Notes a writing request; returns how many there have been.

        Raises:
            RequestRefusedError: 429, the second before has had its most already.
        """
        now = time.monotonic()
        self.arrivals.append(now)
        full = len(self._accepted) == self._most
        if full and now - self._accepted[0] < SECOND:
            raise RequestRefusedError(
                429,
                f"More than {self._most} writing requests in a second.",
                headers={"Retry-After": "1"},
            )
        if self._most:
            self._accepted.append(now)
        return len(self.arrivals)

    def worst_second(self) -> int:
        """The most writing requests, refused ones included, that came in any second."""
        window: deque[float] = deque()
        most = 0
        for arrival in list(self.arrivals):
            window.append(arrival)
            while arrival - window[0] >= SECOND:
                window.popleft()
            most = max(most, len(window))
        return most
