"""From the records of a dataset to their pictures: fetched, checked and stored.

Every record ends with a row of the table `image`: stored, failed for good, or deferred until a
time; a failed or deferred one has a reason. A stored picture is fetched again only if its file has
vanished, also when another source is asked for.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import structlog
from sqlalchemy import Engine, text

from common.errors import RecordError, UsageError
from common.fetch.client import Fetched, PictureFetcher
from common.fetch.download import fetch_all
from common.fetch.host_limits import HostLimiter
from common.fetch.shared_limits import SharedHostLimiter
from common.pictures.decoders import Decoders
from common.process.cores import available_cores
from common.process.settings import ImageSettings
from common.process.terminal.progress import progress
from common.reasons import Reason
from common.store.records import find_dataset
from common.store.session import allow_pauses
from common.store.tables import PictureChoice
from harvester.pictures.files import PictureFile, PictureFolder, remove_stale_files
from harvester.pictures.placeholders import Placeholders
from harvester.pictures.rows import Candidate, PictureRows, count_due, due_candidates

DEFAULT_MAX_SIDE = 512  # pixels: twice the input of most classifiers, a tenth of the bytes

_MOST_VANISHED = 0.5  # of the stored pictures; more are no accident

_STORED_PATHS = text("""
    SELECT image.path
    FROM dataset_item AS item
    JOIN image ON image.record_id = item.record_id AND image.state = 'stored'
    WHERE item.dataset_id = :dataset
    GROUP BY image.path
    ORDER BY image.path COLLATE "C"
""")

_FORGET = text("""
    UPDATE image
    SET state = 'deferred', reason = :reason, detail = path, not_before = '-infinity',
        sha256 = NULL, path = NULL, width = NULL, height = NULL, source = NULL
    WHERE path = ANY(:paths)
""")

_log = structlog.get_logger()


def harvest_pictures(
    engine: Engine,
    settings: ImageSettings,
    name: str,
    *,
    picture: PictureChoice,
    connections: int,
    max_side: int | None,
    refetch: bool,
) -> None:
    """Fetch the missing pictures of a dataset, and write the outcome of each.

    Args:
        max_side: in pixels; None keeps the files as they came.
        refetch: fetch pictures whose files are gone even if those are most of them, as they are
            where IMAGE_DIR names another folder.

    Raises:
        UsageError: there is no such dataset, or most of its stored pictures are not in IMAGE_DIR.
        EnrichmentError: IMAGE_DIR cannot be written to.
    """
    with engine.connect() as connection:
        dataset = find_dataset(connection, name)
    remove_stale_files(settings.image_dir)
    placeholders = Placeholders(engine)
    placeholders.free_pictures()
    with (
        Decoders() as decoders,
        PictureFetcher.from_settings(settings) as fetcher,
        SharedHostLimiter.from_settings(settings, engine) as limiter,
    ):
        folder = PictureFolder(settings.image_dir, decoders, max_side=max_side)
        vanished, stored = _vanished(engine, dataset, folder)
        if not refetch:
            _check_folder(len(vanished), stored, settings.image_dir)
        _forget(engine, vanished)
        while True:
            with (
                progress("images", count_due(engine, dataset, picture)) as report,
                closing(PictureRows(engine, report)) as rows,
                closing(_Harvest(fetcher, folder, rows, placeholders)) as harvest,
            ):
                candidates = due_candidates(
                    engine, dataset, picture, api_url=settings.europeana_api_url
                )
                harvest.run(candidates, limiter, threads=connections)
            if not placeholders.set_aside(dataset):
                return  # else try the other sources of the records that lost their pictures


def _vanished(engine: Engine, dataset: int, folder: PictureFolder) -> tuple[list[str], int]:
    """The paths of stored pictures whose files are gone, and how many pictures are stored."""
    stored = 0

    def counted(paths: Iterable[str]) -> Iterator[str]:
        nonlocal stored
        for path in paths:
            stored += 1
            yield path

    with engine.connect() as connection:
        allow_pauses(connection)  # the disk may be slow
        rows = connection.execution_options(yield_per=5000)
        paths = rows.scalars(_STORED_PATHS, {"dataset": dataset})
        missing = list(folder.missing(counted(paths)))
    return missing, stored


def _check_folder(vanished: int, stored: int, image_dir: Path) -> None:
    """Refuse a folder that lacks most pictures: it is another one than that of the last run."""
    if vanished > _MOST_VANISHED * stored:
        raise UsageError(
            f"{vanished:,} of {stored:,} stored pictures are not in "
            f"{image_dir.absolute()}. Is IMAGE_DIR the folder of the last run? "
            "To fetch them again: --refetch"
        )


def _forget(engine: Engine, paths: Sequence[str]) -> None:
    if paths:
        _log.warning(
            "Stored pictures are not in IMAGE_DIR. They are fetched again.", count=len(paths)
        )
        with engine.begin() as connection:
            connection.execute(_FORGET, {"paths": paths, "reason": Reason.VANISHED.code})


class _Harvest:
    """Candidates in, outcomes out; fetching and decoding have their own threads."""

    def __init__(
        self,
        fetcher: PictureFetcher,
        folder: PictureFolder,
        rows: PictureRows,
        placeholders: Placeholders,
    ) -> None:
        self._fetcher = fetcher
        self._folder = folder
        self._rows = rows
        self._placeholders = placeholders
        self._with_next_url: deque[Candidate] = deque()  # to be tried at their next URL
        self._decoders = ThreadPoolExecutor(available_cores(), thread_name_prefix="decode")
        self._decoding: deque[tuple[Candidate, Future[PictureFile]]] = deque()
        self._most_decoding = 4 * available_cores()

    def close(self) -> None:
        """Keep the decoded pictures, drop the others."""
        self._decoders.shutdown(wait=True, cancel_futures=True)
        for candidate, job in self._decoding:
            if not job.cancelled() and job.exception() is None:
                self._settle(candidate, job.result())

    def run(self, candidates: Iterator[Candidate], limiter: HostLimiter, *, threads: int) -> None:
        while True:
            outcomes = fetch_all(
                self._to_fetch(candidates), fetcher=self._fetcher, limiter=limiter, threads=threads
            )
            with closing(outcomes):
                for outcome in outcomes:
                    if isinstance(outcome.result, Fetched):
                        job = self._decoders.submit(self._folder.store, outcome.result.content)
                        self._decoding.append((outcome.key, job))
                    else:
                        self._try_next_url(outcome.key, outcome.result)
                    self._take_decoded(at_most=self._most_decoding)
            self._take_decoded(at_most=0)
            if not self._with_next_url:
                return

    def _to_fetch(self, candidates: Iterator[Candidate]) -> Iterator[tuple[Candidate, str]]:
        for candidate in candidates:
            yield from self._next_urls()
            if candidate.urls:
                yield candidate, candidate.urls[0].url
            else:
                self._rows.add(candidate.given_up())
        yield from self._next_urls()

    def _next_urls(self) -> Iterator[tuple[Candidate, str]]:
        while self._with_next_url:
            candidate = self._with_next_url.popleft()
            yield candidate, candidate.urls[0].url

    def _try_next_url(self, candidate: Candidate, error: RecordError) -> None:
        rest = candidate.after(error)
        if rest.urls:
            self._with_next_url.append(rest)
        else:
            self._rows.add(rest.given_up())

    def _take_decoded(self, *, at_most: int) -> None:
        """Settle decoded pictures, and wait until at most `at_most` are being decoded."""
        while self._decoding and (len(self._decoding) > at_most or self._decoding[0][1].done()):
            candidate, job = self._decoding.popleft()
            try:
                picture = job.result()
            except RecordError as error:
                self._try_next_url(candidate, error)
            else:
                self._settle(candidate, picture)

    def _settle(self, candidate: Candidate, picture: PictureFile) -> None:
        if picture.sha256 in self._placeholders:
            self._try_next_url(candidate, Reason.PLACEHOLDER.error(picture.sha256))
        else:
            self._rows.add(candidate.found(picture))
