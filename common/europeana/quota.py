"""The quota of the API key: threads that use the key wait together until it is renewed.

Sources: https://europeana.atlassian.net/wiki/spaces/EF/pages/2462351393 (keys), and the RateLimit
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
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opens_at = 0.0  # of the monotonic clock
        self._is_announced = False
        self._abandoned = threading.Event()

    def close(self, seconds: float) -> None:
        with self._lock:
            self._is_announced = self._is_announced and self._seconds_left() > 0
            self._opens_at = max(self._opens_at, time.monotonic() + seconds)

    def wait(self, *, longest: float, why: str) -> float:
        """Wait until the gate is open; returns the seconds waited.

        Raises:
            RateLimitedError: that is more than `longest` seconds; `why` is what the API said.
            ApiError: the transport was closed during the wait.
        """
        seconds = self._seconds_left()
        if seconds <= 0:
            return 0.0
        if seconds > longest:
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
        with self._lock:
            if not self._is_announced:
                until = _clock(seconds, "%H:%M:%S")
                log.warning(
                    "The quota of the API key is used up. The work continues when the quota "
                    "is renewed.",
                    seconds=round(seconds),
                    until=until,
                )
            self._is_announced = True

    def abandon(self) -> None:
        self._abandoned.set()


def seconds_to_renewal(quota: str, retry_after: str) -> float:
    """Seconds, by the RateLimit header, else by Retry-After, else until the next full hour."""
    quotas = [(int(left), int(seconds)) for left, seconds in _QUOTA.findall(quota)]
    used_up = [seconds for left, seconds in quotas if left == 0]
    if waits := used_up or [seconds for _, seconds in quotas]:
        return max(1.0, *waits)
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        return max(1.0, float(retry_after))
    return QUOTA_WINDOW - time.time() % QUOTA_WINDOW


def _clock(seconds: float, form: str) -> str:
    return f"{datetime.now().astimezone() + timedelta(seconds=seconds):{form}}"
