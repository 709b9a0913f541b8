"""The quota of an API key, and waiting for its renewal: once, for all threads that use the key.

Sources: https://europeana.atlassian.net/wiki/spaces/EF/pages/2462351393 (keys) and the RateLimit
headers of the IETF draft.
"""

import re
import threading
import time
from datetime import datetime, timedelta

import structlog

from common.errors import ApiError, RateLimitedError

QUOTA_WINDOW = 3600  # seconds; windows are aligned to the clock hour

_QUOTA = re.compile(r"\br=(\d{1,9})\s*;\s*t=(\d{1,9})")

log = structlog.get_logger()


class QuotaGate:
    """Closed from the answer that the quota is used up until it is renewed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opens_at = 0.0  # of the monotonic clock
        self._is_announced = False
        self._abandoned = threading.Event()

    def close(self, seconds: float) -> None:
        """Let nobody pass for so long."""
        with self._lock:
            self._is_announced = self._is_announced and self._seconds_left() > 0
            self._opens_at = max(self._opens_at, time.monotonic() + seconds)

    def wait(self, *, patience: float, why: str) -> float:
        """Wait until the gate is open; returns for how many seconds.

        Raises:
            RateLimitedError: that is longer than the patience; `why` is what the API said.
            ApiError: the transport was closed meanwhile.
        """
        seconds = self._seconds_left()
        if seconds <= 0:
            return 0.0
        if seconds > patience:
            raise RateLimitedError(
                f"The quota of the API key is used up{why}; "
                f"it is renewed at {_clock(seconds, '%Y-%m-%d %H:%M:%S %Z')}.",
                seconds=seconds,
            )
        self._announce(seconds)
        if self._abandoned.wait(seconds):
            raise ApiError("The connection to the API was closed while waiting for the quota.")
        return seconds

    def _seconds_left(self) -> float:
        return self._opens_at - time.monotonic()

    def _announce(self, seconds: float) -> None:
        """Once, however many threads wait."""
        with self._lock:
            if not self._is_announced:
                until = _clock(seconds, "%H:%M:%S")
                log.warning("quota used up, waiting", seconds=round(seconds), until=until)
            self._is_announced = True

    def abandon(self) -> None:
        """Wake everybody who waits, for good."""
        self._abandoned.set()


def seconds_to_renewal(quota: str, retry_after: str) -> float:
    """By the RateLimit header, else Retry-After, else the next full hour of the clock."""
    quotas = [(int(left), int(seconds)) for left, seconds in _QUOTA.findall(quota)]
    used_up = [seconds for left, seconds in quotas if left == 0]
    if waits := used_up or [seconds for _, seconds in quotas]:
        return max(1.0, max(waits))
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        return max(1.0, float(retry_after))
    return QUOTA_WINDOW - time.time() % QUOTA_WINDOW


def _clock(seconds: float, form: str) -> str:
    return f"{datetime.now().astimezone() + timedelta(seconds=seconds):{form}}"
