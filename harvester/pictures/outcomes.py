"""The outcomes of a record's picture, and when a missing one is tried again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.errors import RecordError, TransientRecordError
from common.europeana.metadata import storable
from common.reasons import Reason, Retry
from common.store.tables import ImageState, PictureSource
from harvester.pictures.files import PictureFile

GROWTH = 4  # each delay is four times the one before
LONGEST_DELAY = 86_400.0  # seconds


@dataclass(frozen=True, kw_only=True)
class PictureOutcome:
    """The outcome of a record: a picture, or the errors of all places that were tried.

    `source`: of the picture; without a picture, the only source that was tried, or None if both
    were. `attempts`: the number before this one.
    """

    record_id: str
    attempts: int
    source: PictureSource | None = None
    picture: PictureFile | None = None
    errors: tuple[RecordError, ...] = ()

    def row(self, now: datetime) -> tuple[object, ...]:
        """The row of the table `image`, in the order of its columns."""
        if self.picture:
            found = self.picture
            no_reason = (None, None)
            where = (found.sha256, found.path, found.width, found.height, self.source)
            when = (self.attempts + 1, now, now)
            return (self.record_id, ImageState.STORED, *no_reason, *where, *when)
        counts = any(_counts(error) for error in self.errors)
        attempts = max(1, self.attempts + counts)
        error, due = _try_again(self.errors, attempts, now)
        state = ImageState.DEFERRED if due else ImageState.FAILED
        why = (error.reason, storable(error.detail))
        return (self.record_id, state, *why, *[None] * 4, self.source, attempts, due or now, now)


def _try_again(
    errors: Sequence[RecordError], attempts: int, now: datetime
) -> tuple[RecordError, datetime | None]:
    """The error that counts, and when to try again; None for never."""
    for error in errors:
        retry = _retry(error)
        if retry and attempts < retry.attempts:
            delay = max(retry.seconds * GROWTH ** (attempts - 1), _asked_for(errors))
            return error, now + timedelta(seconds=min(delay, LONGEST_DELAY))
    return errors[0], None


def _retry(error: RecordError) -> Retry | None:
    return Reason.of(error).retry if isinstance(error, TransientRecordError) else None


def _counts(error: RecordError) -> bool:
    retry = _retry(error)
    return retry is None or retry.counts


def _asked_for(errors: Sequence[RecordError]) -> float:
    """The longest wait that a host asked for, in seconds."""
    waits = (error.retry_after for error in errors if isinstance(error, TransientRecordError))
    return max((wait for wait in waits if wait is not None), default=0.0)
