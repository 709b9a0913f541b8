"""What the threads of a worker process share, and what they do with a chunk."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import Engine

from common.errors import DeviceError, EnrichmentError, ModelError, UsageError
from common.europeana.api import EuropeanaApi
from common.fetch.shared_limits import SharedHostLimiter
from common.pictures.decoders import Decoders
from common.pictures.sources import PictureKinds
from common.process.database_trouble import is_there, trouble
from common.process.periodic import AWAY, PeriodicThread
from common.process.settings.worker import WorkerSettings
from common.vision.runtimes.devices import pick_device
from worker import metrics
from worker.enrich.looking import Looker, MeteredFetcher
from worker.enrich.model_files import check_model_files
from worker.enrich.models import ModelPool, ModelsInUse
from worker.enrich.pipeline import ChunkOutcome, Pipeline, answer_again
from worker.enrich.resolve import RecordResolver
from worker.enrich.seen import SeenPictures
from worker.ledger import chunks
from worker.ledger.chunks import Lease, LeaseLostError
from worker.ledger.finish import finish
from worker.ledger.turns import Turns
from worker.process.lease_keeper import EXIT_BROKEN, HeldLease, LeaseKeeper, leave_process
from worker.process.shutdown import Drain

LONGEST_QUOTA_WAIT = 20.0  # seconds in a chunk for a used-up quota; then the records are put off
SUSPECT_DELAY = 1.0  # seconds before a suspect chunk that had to wait for another is claimed again
DEVICE_FAILURES = 3  # of the same chunk, from which they count against it
STUMBLE_DELAY = 5.0  # seconds before a chunk that met an unexpected error is tried again
PROCESS_NAME = f"{socket.gethostname()}:{os.getpid()}"

log = structlog.get_logger()


class DrainingError(Exception):
    """The worker stops, or its lease is lost: the chunk in work is dropped."""


def _named(lease: Lease) -> AbstractContextManager[None]:
    """Have the log name the chunk, in this thread and in the pools that work for it."""
    return structlog.contextvars.bound_contextvars(job=str(lease.job_id), chunk=lease.number)


class EnrichmentService:
    """Enriches chunks; threads share one."""

    def __init__(self, engine: Engine, settings: WorkerSettings) -> None:
        self._engine = engine
        self._settings = settings
        self.name = PROCESS_NAME
        self.device = pick_device(settings.computes_on)
        self._took_at: float | None = None  # of the monotonic clock
        self._warned_jobs: set[UUID] = set()
        self._suspect_in_work = threading.Lock()
        self._exits = ExitStack()
        self._drain = Drain(settings.worker_grace_seconds, on_overdue=self.leave)
        self._exits.callback(self._drain.end)
        self._shares = self._exits.enter_context(SharedHostLimiter.from_settings(settings, engine))
        self._pipeline = self._open_pipeline()
        self._models = ModelPool(
            engine,
            settings.model_dir,
            runtime=settings.worker_runtime,
            cache_dir=settings.worker_cache_dir,
            device=self.device,
            batch_size=settings.worker_batch_size,
        )
        self._exits.callback(self._models.close)
        self._leases = LeaseKeeper(engine, lease_seconds=settings.worker_lease_seconds)
        self._leases.start()
        self._exits.callback(self._leases.stop)

    def _open_pipeline(self) -> Pipeline:
        settings, opened = self._settings, self._exits.enter_context
        api = opened(EuropeanaApi(settings, longest_quota_wait=LONGEST_QUOTA_WAIT))
        seen = SeenPictures(self._engine)
        looker = Looker(
            opened(MeteredFetcher.from_settings(settings)),
            self._shares,
            opened(Decoders()),
            seen,
            connections=settings.worker_connections,
        )
        resolver = RecordResolver(self._engine, api, api_url=settings.europeana_api_url)
        return Pipeline(resolver, seen, looker)

    def close(self) -> None:
        """End all threads and connections; no chunk may be in work."""
        self._exits.close()

    def load_active_model(self) -> None:
        """Load the active model before a chunk needs it; `check_models` says if it is unusable.

        Raises:
            DeviceError: this process cannot use any model.
        """
        with suppress(ModelError, UsageError, *AWAY):
            self._models.load_active()

    def check_models(self) -> None:
        """Check the files of the models that jobs need, and load the active one if it is not.

        Raises:
            ModelError: no model is active, a file is missing or changed, or a model gives other
                results than at promotion.
            DeviceError: this process cannot use any model.
        """
        check_model_files(self._engine, self._settings.model_dir)
        self._models.load_active()

    @property
    def idle_seconds(self) -> float | None:
        """The time since a chunk was last begun; None if none ever was."""
        return None if self._took_at is None else time.monotonic() - self._took_at

    @property
    def has_model(self) -> bool:
        """Whether a model is loaded."""
        return self._models.has_model

    @property
    def in_float32(self) -> tuple[str, ...]:
        """The models whose float16 was refused on this card."""
        return tuple(sorted(self._models.in_float32))

    @property
    def threads(self) -> list[PeriodicThread]:
        """Those that work again and again: they renew leases and host shares."""
        return [self._leases, self._shares]

    @property
    def is_well(self) -> bool:
        """Whether leases are renewed, and no chunk in work hangs."""
        return self._leases.is_well

    def drain(self) -> None:
        """Take no more chunks; give back those that are not finished within the grace time."""
        if not self._drain.begun.is_set():
            log.info("stopping: chunks in work are finished or given back")
        self._drain.begin()

    def claim(self, turns: Turns, *, put_off: bool) -> Lease | None:
        """Claim the chunk whose turn it is; None if there is none, or the worker ends."""
        if self._drain.begun.is_set():
            return None
        return chunks.claim(
            self._engine,
            worker=self.name,
            lease_seconds=self._settings.worker_lease_seconds,
            put_off=put_off,
            priority=turns.priority,
            in_work=turns.in_work,
            served=turns.served,
        )

    def work_on(self, lease: Lease) -> None:
        """Bring a chunk to its outcomes, or give it back.

        Suspect records run one at a time, so that one crash is not counted against the others.
        """
        self._took_at = time.monotonic()
        if not lease.is_suspect:
            self._work_on(lease)
        elif self._suspect_in_work.acquire(blocking=False):
            try:
                self._work_on(lease)
            finally:
                self._suspect_in_work.release()
        else:
            self._give_back(lease, blameless=True, delay_seconds=SUSPECT_DELAY)

    def _work_on(self, lease: Lease) -> None:
        with (
            _named(lease),
            self._given_back_on_failure(lease),
            self._leases.hold(lease) as held,
            metrics.CHUNKS_IN_WORK.track_inprogress(),
        ):
            self._enrich(lease, held)

    def _enrich(self, lease: Lease, held: HeldLease) -> None:
        def on_record() -> None:
            held.progress()
            if held.lost or self._drain.dropping.is_set():
                raise DrainingError

        with self._models.use(*lease.routes.model_ids, before_loading=held.pause) as models:
            on_record()
            self._warn_of_other_pictures(lease, models)
            outcome = self._pipeline.run(lease, models, on_record=on_record)
            if lease.explain and outcome.pictures:
                self._explain(outcome, models, on_record)
        delays = self._settings.retry_delays
        with metrics.timed("write"):
            while (end := finish(self._engine, lease, outcome, retry_delays=delays)).kept_otherwise:
                answer_again(outcome, end.kept_otherwise, models, lease)
        metrics.CHUNKS.labels("done").inc()
        tallies = outcome.tallies
        for model in models.models:
            metrics.count_said(model.title, tallies.get(model.id, {}))
        log.info(
            "chunk done",
            classified=len(outcome.answers),
            read=outcome.read,
            not_classified=len(outcome.errors),
            runtime=models.runtime,
        )
        if end.job_done:
            log.info("job done")

    def _explain(
        self, outcome: ChunkOutcome, models: ModelsInUse, on_record: Callable[[], None]
    ) -> None:
        try:
            from worker.enrich.explain import explain  # an extra, and slow to load
        except ModuleNotFoundError as error:
            raise UsageError(
                f"Heatmaps need {error.name}: pip install '.[worker,explain]'."
            ) from error
        complete = {each.id: partial(models.network().explained, each) for each in models.models}
        explain(outcome, complete, self._settings.heatmap_dir, on_record=on_record)

    def _warn_of_other_pictures(self, lease: Lease, models: ModelsInUse) -> None:
        """Log, once a job, that the accuracy may be lower than at promotion."""
        if lease.job_id in self._warned_jobs:
            return
        sources = [each.description.picture_source for each in models.models]
        pictures = [PictureKinds(looks_at=lease.picture, trained_on=each) for each in sources]
        if trained_on := [each.trained_on for each in pictures if each.differ]:
            self._warned_jobs.add(lease.job_id)
            log.warning(
                "the model was trained on other pictures than the job looks at",
                trained_on=trained_on[0],
                looks_at=lease.picture,
            )

    def leave(self) -> None:
        """Give back what is in work, and end the process at once."""
        log.warning("the worker ends now; unfinished chunks are given back")
        self._give_back_all()
        leave_process(0)

    def _give_back_all(self) -> None:
        for held in self._leases.held:
            self._give_back(held.lease, blameless=True)
            with _named(held.lease):
                log.info("chunk given back")

    def _give_back(self, lease: Lease, *, blameless: bool, delay_seconds: float = 0.0) -> None:
        try:
            chunks.give_back(self._engine, lease, blameless=blameless, delay_seconds=delay_seconds)
        except AWAY as error:
            with _named(lease):  # the thread may be that of another chunk, or of none
                log.warning(f"{trouble(error)}; the chunk comes back when its lease has run out")

    @contextmanager
    def _given_back_on_failure(self, lease: Lease) -> Iterator[None]:
        try:
            yield
        except LeaseLostError:
            metrics.CHUNKS.labels("lease_lost").inc()
            log.warning("lease lost; another worker has the chunk")
        except DrainingError:
            self._give_back(lease, blameless=True)
            metrics.CHUNKS.labels("given_back").inc()
            log.info("chunk given back")
        except AWAY as error:
            metrics.CHUNKS.labels("database_locked" if is_there(error) else "database_away").inc()
            log.warning(f"{trouble(error)}; the chunk is tried again")
            self._give_back(lease, blameless=True, delay_seconds=STUMBLE_DELAY)
        except DeviceError as error:
            log.error(
                "the device failed; the worker gives its chunks back and ends", error=str(error)
            )
            self.drain()
            blameless = lease.times_given_back < DEVICE_FAILURES - 1
            self._give_back(lease, blameless=blameless)  # it is no longer among the held
            self._give_back_all()
            leave_process(EXIT_BROKEN)
        except EnrichmentError as error:
            self._give_back(lease, blameless=True, delay_seconds=STUMBLE_DELAY)
            metrics.CHUNKS.labels("given_back").inc()
            log.error("chunk given back", error=str(error))
        except Exception:  # the chunk may be the cause, and its attempts are counted
            self._give_back(lease, blameless=False, delay_seconds=STUMBLE_DELAY)
            metrics.CHUNKS.labels("failed").inc()
            log.exception("chunk failed; it is tried again, three times at most")
