"""What the threads of a worker process share: they claim chunks here, and work on them."""

import os
import socket
import threading
import time
from contextlib import ExitStack, suppress
from functools import partial

from sqlalchemy import Engine

from common.errors import ModelError, UsageError
from common.europeana.api import EuropeanaApi
from common.fetch.shared_limits import SharedHostLimiter
from common.pictures.decoders import Decoders
from common.process.periodic import AWAY, PeriodicThread
from common.process.settings.worker import WorkerSettings
from common.vision.runtimes.devices import pick_device
from worker import metrics
from worker.enrich.looking import Looker, MeteredFetcher
from worker.enrich.model_files import check_model_files
from worker.enrich.model_pool import ModelPool
from worker.enrich.pipeline import Pipeline
from worker.enrich.resolve import RecordResolver
from worker.enrich.seen import SeenPictures
from worker.ledger import chunks
from worker.ledger.chunks import Lease
from worker.ledger.rotation import JobRotation
from worker.process.chunk_work import ChunkWork
from worker.process.giving_back import ChunkReturns, DrainingError, named
from worker.process.lease_keeper import HeldLease, LeaseKeeper

LONGEST_QUOTA_WAIT = 20.0  # seconds in a chunk for a used-up quota; then the records are put off
SUSPECT_DELAY = 1.0  # seconds before a suspect chunk that had to wait for another is claimed again
PROCESS_NAME = f"{socket.gethostname()}:{os.getpid()}"


class EnrichmentService:
    """Enriches chunks; threads share one."""

    def __init__(self, engine: Engine, settings: WorkerSettings) -> None:
        self._engine = engine
        self._settings = settings
        self.name = PROCESS_NAME
        self.device = pick_device(settings.computes_on)
        self._took_at: float | None = None  # of the monotonic clock
        self._suspect_in_work = threading.Lock()
        self._exits = ExitStack()
        self._leases = LeaseKeeper(engine, lease_seconds=settings.worker_lease_seconds)
        self.returns = ChunkReturns(
            engine, self._leases, grace_seconds=settings.worker_grace_seconds
        )
        self._exits.callback(self.returns.draining.end)
        self._shares = self._exits.enter_context(SharedHostLimiter.from_settings(settings, engine))
        pipeline = self._open_pipeline()
        self._models = ModelPool(
            engine,
            settings.model_dir,
            runtime=settings.worker_runtime,
            cache_dir=settings.worker_cache_dir,
            device=self.device,
            batch_size=settings.worker_batch_size,
        )
        self._exits.callback(self._models.close)
        self._work = ChunkWork(engine, settings, pipeline, self._models)
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
        return self._models.has_model

    @property
    def in_float32(self) -> tuple[str, ...]:
        return tuple(sorted(self._models.in_float32))

    @property
    def threads(self) -> list[PeriodicThread]:
        """Those that work again and again: they renew leases and host shares."""
        return [self._leases, self._shares]

    @property
    def is_well(self) -> bool:
        return self._leases.is_well

    def claim(self, rotation: JobRotation, *, put_off: bool) -> Lease | None:
        """Claim the chunk whose turn it is; None if there is none, or the worker ends."""
        if self.returns.draining.begun.is_set():
            return None
        return chunks.claim(
            self._engine,
            worker=self.name,
            lease_seconds=self._settings.worker_lease_seconds,
            put_off=put_off,
            priority=rotation.priority,
            in_work=rotation.in_work,
            served=rotation.served,
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
            self.returns.give_back(lease, blameless=True, delay_seconds=SUSPECT_DELAY)

    def _work_on(self, lease: Lease) -> None:
        with (
            named(lease),
            self.returns.on_failure(lease),
            self._leases.hold(lease) as held,
            metrics.CHUNKS_IN_WORK.track_inprogress(),
        ):
            on_record = partial(self._note_record, held)
            self._work.run(lease, on_record=on_record, before_loading=held.pause)

    def _note_record(self, held: HeldLease) -> None:
        held.progress()
        if held.lost or self.returns.draining.dropping.is_set():
            raise DrainingError
