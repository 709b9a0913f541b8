"""`worker run`: one process with a Celery worker, a dispatcher and the enrichment service.

Celery's pool of threads: the chunks in work share one copy of the model and one batcher, so a slow
museum holds up its own chunk only. What a pool of processes would give, an end to a task that
hangs or crashes, comes from the ledger: the lease runs out and the chunk is split.
"""

import logging
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import torch
from celery import Celery
from celery.signals import setup_logging, worker_shutting_down
from kombu.exceptions import OperationalError as BrokerUnreachableError

from common.errors import BrokerError
from common.store.session import open_store
from worker import metrics
from worker.app import create_app
from worker.dispatcher import Dispatcher
from worker.health import Heartbeat
from worker.service import EnrichmentService
from worker.settings import WorkerSettings
from worker.tasks import register_tasks, send_hint

log = structlog.get_logger()


def run_worker() -> int:
    """Work until SIGTERM or Ctrl-C; returns the exit code.

    Raises:
        BrokerError: the broker cannot be reached.
        StoreError: Postgres cannot be reached or is not migrated.
        UsageError: a setting is missing.
    """
    torch.set_num_threads(1)  # of each thread that computes: there are as many as cores
    settings = WorkerSettings.read()
    engine = open_store()
    app = create_app(settings)
    _check_broker(app)
    with ExitStack() as exits:
        if settings.worker_metrics_port is not None:
            exits.enter_context(metrics.served(settings.worker_metrics_port))
        service = EnrichmentService(engine, settings)
        exits.callback(service.close)
        register_tasks(app, service, engine)
        dispatcher = Dispatcher(
            engine,
            partial(send_hint, app, hint_seconds=settings.worker_hint_seconds),
            interval=settings.worker_dispatch_seconds,
            hint_seconds=settings.worker_hint_seconds,
        )
        dispatcher.start()
        exits.callback(dispatcher.stop)

        if settings.worker_heartbeat_file:
            heartbeat = _heartbeat(settings.worker_heartbeat_file, service, dispatcher)
            heartbeat.start()
            exits.callback(heartbeat.stop)
        service.load_active_model()

        def drain(**_: Any) -> None:
            log.info("stopping: chunks in work are finished or given back")
            service.drain()

        worker_shutting_down.connect(drain)
        setup_logging.connect(_keep_logging)
        worker = app.Worker(
            pool="threads",
            concurrency=settings.worker_chunks_in_flight,
            loglevel="WARNING",
            quiet=True,
            without_gossip=True,
            without_mingle=True,
        )
        log.info("worker ready", chunks_in_flight=settings.worker_chunks_in_flight)
        worker.start()
        return worker.exitcode or 0


def _keep_logging(**_: Any) -> None:
    """Celery, once asked, leaves the logging as it is; else it would drop what is no warning."""
    logging.getLogger("celery").setLevel(logging.WARNING)


def _heartbeat(path: Path, service: EnrichmentService, dispatcher: Dispatcher) -> Heartbeat:
    return Heartbeat(
        path,
        alive=lambda: service.is_well and dispatcher.is_alive(),
        model_loaded=lambda: service.has_model,
    )


def _check_broker(app: Celery) -> None:
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
    except BrokerUnreachableError as error:
        raise BrokerError(f"The broker at BROKER_URL cannot be reached: {error}") from None
