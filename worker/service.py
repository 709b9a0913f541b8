"""One worker process: what its threads share, and what it does with a chunk."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import UUID

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from common.errors import EnrichmentError
from common.europeana.api import EuropeanaApi
from common.images.fetch import ImageFetcher
from common.images.hosts import LocalHostLimiter
from common.settings import ApiSettings, ImageSettings, ModelSettings
from worker import chunks, outcomes
from worker.chunks import Lease, LeaseLostError
from worker.leases import HeldLease, LeaseKeeper
from worker.model_pool import ModelPool
from worker.pipeline import Pipeline
from worker.resolve import Resolver
from worker.settings import WorkerSettings

API_PATIENCE = 20.0  # seconds to wait for a used-up quota; then the records wait instead
STUMBLE_DELAY = 5.0  # seconds before a chunk that met an unexpected error is tried again

log = structlog.get_logger()


class DrainingError(Exception):
    """The worker is to stop, or its lease is lost: the chunk in work is dropped."""


class EnrichmentService:
    """Enriches chunks; safe to call from as many threads as there are chunks in flight."""

    def __init__(self, engine: Engine, settings: WorkerSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._draining = threading.Event()
        self._exits = ExitStack()
        image_settings = ImageSettings.read()
        api = EuropeanaApi(ApiSettings.read(), patience=API_PATIENCE)
        self._exits.enter_context(api)
        fetcher = self._exits.enter_context(ImageFetcher.from_settings(image_settings))
        self._pipeline = Pipeline(
            Resolver(engine, api, api_url=image_settings.europeana_api_url),
            fetcher,
            LocalHostLimiter.from_settings(image_settings),
            connections=settings.worker_connections,
        )
        self._models = ModelPool(
            engine, ModelSettings.read().model_dir, batch_size=settings.worker_batch_size
        )
        self._exits.callback(self._models.close)
        self._leases = LeaseKeeper(engine, lease_seconds=settings.worker_lease_seconds)
        self._leases.start()
        self._exits.callback(self._leases.stop)

    def close(self) -> None:
        """End all threads and connections; no chunk may be in work."""
        self._exits.close()

    def drain(self) -> None:
        """Take no more chunks, and give back those in work at the next record."""
        self._draining.set()

    def run_chunk(self, job_id: UUID, number: int) -> None:
        """Do what a hint asks for; returns at once where the chunk is done or another's."""
        if self._draining.is_set():
            return
        lease = chunks.claim(
            self._engine,
            job_id=job_id,
            number=number,
            worker=self._name,
            lease_seconds=self._settings.worker_lease_seconds,
        )
        if lease is None:
            return
        with (
            structlog.contextvars.bound_contextvars(job=str(job_id), chunk=number),
            self._given_back_on_failure(lease),
            self._leases.hold(lease) as held,
        ):
            self._enrich(lease, held)

    def _enrich(self, lease: Lease, held: HeldLease) -> None:
        def on_record() -> None:
            held.progress()
            if held.lost or self._draining.is_set():
                raise DrainingError

        with self._models.use(lease.model_id) as loaded:
            outcome = self._pipeline.run(lease, loaded, on_record=on_record)
        job_finished = outcomes.finish(
            self._engine, lease, outcome, retry_delays=self._settings.retry_delays
        )
        log.info(
            "chunk done", classified=len(outcome.classified), not_classified=len(outcome.errors)
        )
        if job_finished:
            log.info("job done")

    @contextmanager
    def _given_back_on_failure(self, lease: Lease) -> Iterator[None]:
        try:
            yield
        except LeaseLostError:
            log.warning("lease lost; another worker has the chunk")
        except DrainingError:
            chunks.give_back(self._engine, lease, blameless=True)
            log.info("chunk given back")
        except OperationalError:
            log.warning("the database went away; the lease runs out and the chunk is tried again")
        except EnrichmentError as error:
            chunks.give_back(self._engine, lease, blameless=True, delay_seconds=STUMBLE_DELAY)
            log.error("chunk given back", error=str(error))
