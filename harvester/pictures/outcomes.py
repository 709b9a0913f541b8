"""What can become of a record's picture, and when one that is missing is looked for again.

This is the one place that says so. A reason that is not in `RETRIES` is final: the same picture
would fail in the same way. docs/fetching.md says what each reason means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from common.errors import RecordError, TransientRecordError
from common.europeana.metadata import storable
from common.pictures.sources import Source
from common.reasons import DecodeReason, FetchReason
from harvester.pictures.files import PictureFile

GROWTH = 4  # each delay is so many times the one before
LONGEST_DELAY = 86_400.0  # seconds


class HarvestReason(StrEnum):
    """Why a record has no picture, beside what fetching and decoding say."""

    NO_PICTURE = "no_picture"  # it names neither a file nor a thumbnail
    PLACEHOLDER = "placeholder"  # what came stands in for many different pictures
    VANISHED = "vanished"  # it was stored, and is not in IMAGE_DIR any more


@dataclass(frozen=True)
class Retry:
    """When a picture is tried again: first after `seconds`, and `attempts` times in all."""

    seconds: float
    attempts: int


RETRIES: dict[str, Retry] = {
    # the host has trouble, which often passes within the hour
    FetchReason.CONNECT: Retry(60, 6),
    FetchReason.CONNECTION_LOST: Retry(60, 6),
    FetchReason.SERVER_ERROR: Retry(60, 6),
    # it asks us to slow down: later than that, and with more patience
    FetchReason.RATE_LIMITED: Retry(300, 8),
    FetchReason.HOST_UNAVAILABLE: Retry(300, 8),  # the picture was not asked for: never counts
    # it is overloaded, or far away
    FetchReason.HOST_SLOW: Retry(300, 8),
    FetchReason.TIMEOUT: Retry(300, 5),
    FetchReason.TOO_SLOW: Retry(300, 4),
    # names come back within days or not at all
    FetchReason.DNS: Retry(900, 5),
    # most often the file itself is cut off
    FetchReason.TRUNCATED: Retry(60, 3),
    # ours, not theirs
    FetchReason.CANCELLED: Retry(60, 6),
    DecodeReason.OUT_OF_MEMORY: Retry(3600, 3),
}


@dataclass(frozen=True, kw_only=True)
class PictureOutcome:
    """What became of a record: a picture, or the errors of all places it was looked for in.

    `source` is where the picture is from; without a picture, the only source that was asked, None
    when both were. `attempts` counts those before this one.
    """

    record_id: str
    attempts: int
    source: Source | None = None
    picture: PictureFile | None = None
    errors: tuple[RecordError, ...] = ()

    def row(self, now: datetime) -> tuple[object, ...]:
        """The row of the image table, in the order of its columns."""
        if self.picture:
            found = self.picture
            where = (found.sha256, found.path, found.width, found.height, self.source)
            return (self.record_id, "stored", None, None, *where, self.attempts + 1, now, now)
        counts = any(error.reason != FetchReason.HOST_UNAVAILABLE for error in self.errors)
        attempts = max(1, self.attempts + counts)
        error, due = _try_again(self.errors, attempts, now)
        why = ("deferred" if due else "failed", error.reason, storable(error.detail))
        return (self.record_id, *why, *[None] * 4, self.source, attempts, due or now, now)


def _try_again(
    errors: Sequence[RecordError], attempts: int, now: datetime
) -> tuple[RecordError, datetime | None]:
    """The error that decides, and when it lets us try again, if it does."""
    for error in errors:
        retry = RETRIES.get(error.reason) if isinstance(error, TransientRecordError) else None
        if retry and attempts < retry.attempts:
            delay = max(retry.seconds * GROWTH ** (attempts - 1), _asked_for(errors))
            return error, now + timedelta(seconds=min(delay, LONGEST_DELAY))
    return errors[0], None


def _asked_for(errors: Sequence[RecordError]) -> float:
    """The seconds that hosts want us to wait."""
    waits = (error.retry_after for error in errors if isinstance(error, TransientRecordError))
    return max((wait for wait in waits if wait is not None), default=0.0)
