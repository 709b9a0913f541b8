"""Reads the records of a dataset that lack a picture, and writes their outcomes.

Rows are written in batches during the run, so an interrupted run continues where it stopped.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, func, select, text

from common.errors import RecordError, TransientRecordError
from common.europeana.metadata import storable
from common.pictures.sources import PictureUrl, picture_urls
from common.process.terminal.progress import ProgressReport
from common.reasons import Reason, Retry
from common.store.bulk import upsert
from common.store.tables import Image, ImageState, PictureChoice, PictureSource
from harvester.pictures.files import PictureFile

ROWS_AT_ONCE = 200
SECONDS_BETWEEN_ROWS = 5.0
RECORDS_AT_ONCE = 5000
GROWTH = 4  # each delay is four times the one before
LONGEST_DELAY = 86_400.0  # seconds

# Our settings forbade these; each run judges them again, since the settings may have changed.
_FORBIDDEN = (Reason.ADDRESS_REFUSED.code, Reason.PORT_REFUSED.code)

# A record that failed with only one source tried is due if another choice is made now.
_DUE = """
    item.dataset_id = :dataset
    AND (image.record_id IS NULL
         OR image.state = 'deferred' AND image.not_before <= now()
         OR image.state = 'failed' AND image.source <> :picture
         OR image.reason = ANY(:forbidden))
"""

# In the order of a hash, so that records of one provider, and so of one host, are spread out.
_PENDING = text(f"""
    SELECT DISTINCT md5(record.id) AS position, record.id AS record_id, record.media_url,
           record.preview_url, image.state, image.reason, image.detail, image.source,
           coalesce(image.attempts, 0) AS attempts
    FROM dataset_item AS item
    JOIN record ON record.id = item.record_id
    LEFT JOIN image ON image.record_id = record.id
    WHERE {_DUE} AND md5(record.id) > :after
    ORDER BY position
    LIMIT :limit
""")

_COUNT_PENDING = text(f"""
    SELECT count(DISTINCT item.record_id)
    FROM dataset_item AS item LEFT JOIN image ON image.record_id = item.record_id
    WHERE {_DUE}
""")

_COLUMNS = (
    *("record_id", "state", "reason", "detail", "sha256", "path", "width", "height", "source"),
    *("attempts", "not_before", "fetched_at"),
)


@dataclass(frozen=True, kw_only=True)
class PictureOutcome:
    """The outcome of a record: a picture, or the errors of all URLs that were tried.

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


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A record on its way to a picture: the URLs to try, and the errors of those tried."""

    record_id: str
    urls: tuple[PictureUrl, ...]
    only_source: PictureSource | None  # that is tried; None: both
    attempts: int = 0
    errors: tuple[RecordError, ...] = ()

    def after(self, error: RecordError) -> "Candidate":
        return replace(self, urls=self.urls[1:], errors=(*self.errors, error))

    def found(self, picture: PictureFile) -> PictureOutcome:
        source = self.urls[0].source
        return PictureOutcome(
            record_id=self.record_id, attempts=self.attempts, source=source, picture=picture
        )

    def given_up(self) -> PictureOutcome:
        no_url = Reason.NO_PICTURE.error("neither file nor thumbnail")
        return PictureOutcome(
            record_id=self.record_id,
            attempts=self.attempts,
            source=self.only_source,
            errors=self.errors or (no_url,),
        )


def count_due(engine: Engine, dataset: int, picture: PictureChoice) -> int:
    with engine.connect() as connection:
        chosen = _chosen(dataset, picture)
        return int(connection.execute(_COUNT_PENDING, chosen).scalar_one())


def due_candidates(
    engine: Engine, dataset: int, picture: PictureChoice, *, api_url: str
) -> Iterator[Candidate]:
    """The records that are due, read page by page: no transaction stays open for hours."""
    chosen = _chosen(dataset, picture) | {"limit": RECORDS_AT_ONCE}
    after = ""
    while True:
        with engine.connect() as connection:
            rows = connection.execute(_PENDING, {**chosen, "after": after}).all()
        for row in rows:
            yield _candidate(row, picture, api_url)
        if len(rows) < RECORDS_AT_ONCE:
            return
        after = rows[-1].position


def _chosen(dataset: int, picture: PictureChoice) -> dict[str, Any]:
    return {"dataset": dataset, "picture": picture, "forbidden": [*_FORBIDDEN]}


def _candidate(row: Row[Any], picture: PictureChoice, api_url: str) -> Candidate:
    urls = picture_urls(row.media_url, row.preview_url, picture=picture, api_url=api_url)
    only_source = None if picture is PictureChoice.AUTO else PictureSource(picture)
    if row.state != ImageState.FAILED or row.reason in _FORBIDDEN:
        return Candidate(
            record_id=row.record_id, urls=urls, only_source=only_source, attempts=row.attempts
        )
    return Candidate(  # a source that failed for good is not tried again
        record_id=row.record_id,
        urls=tuple(url for url in urls if url.source != row.source),
        only_source=None,
        errors=(RecordError("fetch", row.reason, row.detail or ""),),
    )


class PictureRows:
    def __init__(self, engine: Engine, report: ProgressReport) -> None:
        self._engine = engine
        self._report = report
        self._outcomes: list[PictureOutcome] = []
        self._written_at = time.monotonic()
        self._stored = 0

    def add(self, outcome: PictureOutcome) -> None:
        """Add an outcome; write the batch if it is full or old enough."""
        self._outcomes.append(outcome)
        self._stored += outcome.picture is not None
        self._report.advance(note=f"{self._stored:,} stored")
        waited = time.monotonic() - self._written_at
        if len(self._outcomes) >= ROWS_AT_ONCE or waited > SECONDS_BETWEEN_ROWS:
            self.close()

    def close(self) -> None:
        if self._outcomes:
            with self._engine.begin() as connection:
                now = connection.execute(select(func.now())).scalar_one()
                rows = [outcome.row(now) for outcome in self._outcomes]
                upsert(connection, Image.__table__, _COLUMNS, rows, update=_COLUMNS[1:])
        self._outcomes.clear()
        self._written_at = time.monotonic()
