"""How long a chunk waits for its last pictures, while their hosts are slow.

A chunk that is tried for the first time leaves stragglers to a later chunk: its last pictures, if
their hosts are so slow that the cores would wait. The pictures before them show what is slow. If
the line is slow or the machine is busy, all hosts look slow, and no picture is left.
"""

import time

LAST_SHARE = 1 / 4  # of a chunk's pictures: only these may be left to a later chunk
LEAST_SECONDS = 1.0  # that the last pictures get at least
NEXT_TIMES = 4  # the next picture gets 4 times the average time of the earlier ones ...
ALL_SHARE = 1 / 2  # ... and the last ones together half the time of all earlier ones
LATE_SECONDS = 0.5  # for the next one after that: it may have been requested only now
LONGEST_WAIT = 90.0  # seconds for any other picture; the slowest permitted download takes less


def wait_for_all(_missing: int) -> float:
    return LONGEST_WAIT


class StragglerWait:
    def __init__(self, pictures: int) -> None:
        self._last = int(LAST_SHARE * pictures)
        self._earlier = pictures - self._last
        self._began = time.monotonic()
        self._earlier_took: float | None = None

    def __call__(self, missing: int) -> float:
        """Seconds to wait for the next picture while `missing` have not come."""
        if missing > self._last:
            return LONGEST_WAIT
        passed = time.monotonic() - self._began
        if self._earlier_took is None:
            self._earlier_took = passed
        for_next = max(LEAST_SECONDS, NEXT_TIMES * self._earlier_took / self._earlier)
        for_all = max(LEAST_SECONDS, ALL_SHARE * self._earlier_took)
        left = self._earlier_took + for_all - passed
        return max(LATE_SECONDS, min(for_next, left))
