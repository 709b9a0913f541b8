"""From the records of a dataset to their pictures: fetched, checked, stored, accounted for.

Every record ends with an image row: stored, failed for good, or deferred until a time, the latter
two with a reason. Rows are written a batch at a time, so a run goes on where it stopped, however
it stopped. A picture once stored is not fetched again, also where another source is asked for.
"""

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select, text

from common.errors import RecordError, TransientRecordError
from common.europeana.metadata import storable
from common.images.download import fetch_all
from common.images.fetch import ImageFetcher
from common.images.hosts import LocalHostLimiter
from common.images.reasons import FetchReason
from common.images.thumbnails import Picture, PictureUrl, picture_urls
from common.progress import ProgressReport, progress
from common.settings import ImageSettings
from common.store.bulk import upsert
from common.store.tables import Image
from harvester.datasets import find_dataset
from harvester.picture_files import PictureFile, PictureFolder

MAX_ATTEMPTS = 6
FIRST_DELAY = 60.0  # seconds until a deferred picture is tried again; four times that after each
LONGEST_DELAY = 86_400.0  # seconds
ROWS_AT_ONCE = 200
SECONDS_BETWEEN_ROWS = 5.0
RECORDS_AT_ONCE = 5000

_DUE = """
    item.dataset_id = :dataset
    AND (image.record_id IS NULL OR image.state = 'deferred' AND image.not_before <= now())
"""

# By a hash, so that the records of one provider do not come in a row: hosts are asked in turn.
_PENDING = text(f"""
    SELECT DISTINCT md5(record.id) AS position, record.id AS record_id, record.media_url,
           record.preview_url, coalesce(image.attempts, 0) AS attempts
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


@dataclass(frozen=True)
class _Candidate:
    """A record on its way to a picture: where to look now, what went wrong elsewhere."""

    record_id: str
    pictures: tuple[PictureUrl, ...]
    attempts: int
    errors: tuple[RecordError, ...] = ()

    def after(self, error: RecordError) -> "_Candidate":
        return replace(self, pictures=self.pictures[1:], errors=(*self.errors, error))


@dataclass(frozen=True)
class _Verdict:
    """What became of a record: a picture, or the errors of all places it was looked for in."""

    record_id: str
    attempts: int
    source: str | None = None
    picture: PictureFile | None = None
    errors: tuple[RecordError, ...] = ()

    def row(self, now: datetime) -> tuple[object, ...]:
        """The row of the image table; deferred where a later attempt may go better."""
        if self.picture:
            found = self.picture
            where = (found.sha256, found.path, found.width, found.height, self.source)
            return (self.record_id, "stored", None, None, *where, self.attempts + 1, now, now)
        passing = [error for error in self.errors if isinstance(error, TransientRecordError)]
        counts = any(error.reason != FetchReason.HOST_UNAVAILABLE for error in self.errors)
        attempts = max(1, self.attempts + counts)
        error: RecordError = (passing or self.errors)[0]
        if passing and attempts < MAX_ATTEMPTS:
            state, due = "deferred", now + timedelta(seconds=_delay(attempts, passing))
        else:
            state, due = "failed", now
        why = (error.reason, storable(error.detail))
        return (self.record_id, state, *why, *[None] * 5, attempts, due, now)


def _delay(attempts: int, errors: Sequence[TransientRecordError]) -> float:
    asked_for = max((error.retry_after or 0.0 for error in errors), default=0.0)
    return float(min(max(FIRST_DELAY * 4 ** (attempts - 1), asked_for), LONGEST_DELAY))


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """How the pictures of a dataset are fetched and stored."""

    picture: Picture = "auto"
    connections: int = 64
    max_side: int = 512


def harvest_images(
    engine: Engine, settings: ImageSettings, name: str, options: ImageOptions
) -> None:
    """Fetch the pictures that a dataset lacks, and write what became of each.

    Raises:
        UsageError: there is no such dataset.
        EnrichmentError: IMAGE_DIR cannot be written to.
    """
    with engine.connect() as connection:
        dataset = find_dataset(connection, name)
        total = connection.execute(_COUNT_PENDING, {"dataset": dataset}).scalar_one()
    folder = PictureFolder(settings.image_dir, max_side=options.max_side)
    candidates = _pending(engine, dataset, options.picture, settings.europeana_api_url)
    with (
        ImageFetcher.from_settings(settings) as fetcher,
        progress("images", total) as report,
        closing(_ImageRows(engine, report)) as rows,
        closing(_Harvest(fetcher, folder, rows, candidates)) as harvest,
    ):
        harvest.run(LocalHostLimiter.from_settings(settings), threads=options.connections)


def _pending(engine: Engine, dataset: int, picture: Picture, api_url: str) -> Iterator[_Candidate]:
    """The records without a picture, page by page: no transaction stays open for hours."""
    after = ""
    while True:
        with engine.connect() as connection:
            rows = connection.execute(
                _PENDING, {"dataset": dataset, "after": after, "limit": RECORDS_AT_ONCE}
            ).all()
        for row in rows:
            places = picture_urls(row.media_url, row.preview_url, picture=picture, api_url=api_url)
            yield _Candidate(row.record_id, places, row.attempts)
        if len(rows) < RECORDS_AT_ONCE:
            return
        after = rows[-1].position


class _Harvest:
    """Candidates in, verdicts out; fetching has its threads, decoding has its own."""

    def __init__(
        self,
        fetcher: ImageFetcher,
        folder: PictureFolder,
        rows: "_ImageRows",
        candidates: Iterator[_Candidate],
    ) -> None:
        self._fetcher = fetcher
        self._folder = folder
        self._rows = rows
        self._candidates = candidates
        self._elsewhere: deque[_Candidate] = deque()  # to be looked for in their next place
        self._decoders = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")
        self._decoding: deque[tuple[_Candidate, Future[PictureFile]]] = deque()
        self._most_decoding = 4 * (os.cpu_count() or 1)

    def close(self) -> None:
        """Keep what is decoded, drop what is not."""
        self._decoders.shutdown(wait=True, cancel_futures=True)
        for candidate, job in self._decoding:
            if not job.cancelled() and job.exception() is None:
                self._rows.add(_found(candidate, job.result()))

    def run(self, limiter: LocalHostLimiter, *, threads: int) -> None:
        """Bring every candidate to a verdict."""
        while True:
            outcomes = fetch_all(
                self._to_fetch(), fetcher=self._fetcher, limiter=limiter, threads=threads
            )
            with closing(outcomes):
                for outcome in outcomes:
                    if outcome.fetched:
                        job = self._decoders.submit(self._folder.store, outcome.fetched.content)
                        self._decoding.append((outcome.key, job))
                    elif outcome.error:
                        self._look_elsewhere(outcome.key, outcome.error)
                    self._take_decoded(at_most=self._most_decoding)
            self._take_decoded(at_most=0)
            if not self._elsewhere:
                return

    def _to_fetch(self) -> Iterator[tuple[_Candidate, str]]:
        for candidate in self._candidates:
            yield from self._second_places()
            if candidate.pictures:
                yield candidate, candidate.pictures[0].url
            else:
                self._rows.add(_without_picture(candidate))
        yield from self._second_places()

    def _second_places(self) -> Iterator[tuple[_Candidate, str]]:
        while self._elsewhere:
            candidate = self._elsewhere.popleft()
            yield candidate, candidate.pictures[0].url

    def _look_elsewhere(self, candidate: _Candidate, error: RecordError) -> None:
        rest = candidate.after(error)
        if rest.pictures:
            self._elsewhere.append(rest)
        else:
            self._rows.add(_Verdict(rest.record_id, rest.attempts, errors=rest.errors))

    def _take_decoded(self, *, at_most: int) -> None:
        """Settle what is decoded, and wait until no more than `at_most` are being decoded."""
        while self._decoding and (len(self._decoding) > at_most or self._decoding[0][1].done()):
            candidate, job = self._decoding.popleft()
            try:
                picture = job.result()
            except RecordError as error:
                self._look_elsewhere(candidate, error)
            else:
                self._rows.add(_found(candidate, picture))


def _found(candidate: _Candidate, picture: PictureFile) -> _Verdict:
    source = candidate.pictures[0].source
    return _Verdict(candidate.record_id, candidate.attempts, source, picture)


def _without_picture(candidate: _Candidate) -> _Verdict:
    error = RecordError("resolve", "no_picture", "neither file nor thumbnail")
    return _Verdict(candidate.record_id, candidate.attempts, errors=(error,))


class _ImageRows:
    """Verdicts on their way into the store, a batch at a time."""

    def __init__(self, engine: Engine, report: ProgressReport) -> None:
        self._engine = engine
        self._report = report
        self._verdicts: list[_Verdict] = []
        self._written_at = time.monotonic()
        self._stored = 0

    def add(self, verdict: _Verdict) -> None:
        """Take a verdict; write those that have gathered when it is time."""
        self._verdicts.append(verdict)
        self._stored += verdict.picture is not None
        self._report.advance(note=f"{self._stored:,} stored")
        waited = time.monotonic() - self._written_at
        if len(self._verdicts) >= ROWS_AT_ONCE or waited > SECONDS_BETWEEN_ROWS:
            self.close()

    def close(self) -> None:
        """Write what has gathered."""
        if self._verdicts:
            with self._engine.begin() as connection:
                now = connection.execute(select(func.now())).scalar_one()
                rows = [verdict.row(now) for verdict in self._verdicts]
                upsert(connection, Image.__table__, _COLUMNS, rows, update=_COLUMNS[1:])
        self._verdicts.clear()
        self._written_at = time.monotonic()
