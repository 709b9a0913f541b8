"""How long a chunk waits for its next picture.

A chunk that is tried for the first time leaves its last pictures to a later one where their hosts
are so slow that the cores would wait. What is slow, it learns from the pictures before: where the
line is slow, or the machine busy, all hosts look slow, and none of them is left.
"""

import time

LAST = 1 / 4  # of a chunk's pictures: these alone are left
LEAST = 1.0  # seconds that these are waited for at the least
PAUSE = 4  # times the pace of the others, for the next one
REST = 1 / 2  # of the time that the others took, for all of them
SOON = 0.5  # seconds, when that is over: the next one may only now have been asked for
PATIENCE = 90.0  # seconds that any other picture is waited for: the politest download is over


def patient(_missing: int) -> float:
    """Wait as long as it takes."""
    return PATIENCE


class Hurried:
    """Waits for so many pictures, the last of them only as long as the others allow."""

    def __init__(self, pictures: int) -> None:
        self._few = int(LAST * pictures)
        self._others = pictures - self._few
        self._began = time.monotonic()
        self._others_took: float | None = None

    def __call__(self, missing: int) -> float:
        """Seconds that the next picture is waited for when so many are missing."""
        if missing > self._few:
            return PATIENCE
        passed = time.monotonic() - self._began
        if self._others_took is None:
            self._others_took = passed
        pause = max(LEAST, PAUSE * self._others_took / self._others)
        rest = self._others_took + max(LEAST, REST * self._others_took) - passed
        return max(SOON, min(pause, rest))
