"""`worker run`: one process with a Celery worker, a dispatcher and the enrichment service.

Celery's pool of threads: the chunks in work share one copy of the model and one batcher, so a slow
museum holds up its own chunk only. What a pool of processes would give, an end to a task that
hangs or crashes, comes from the ledger: the lease runs out and the chunk is split.
"""

from contextlib import ExitStack
from functools import partial
from typing import Any

import structlog
from celery import Celery
from celery.signals import worker_shutting_down
from kombu.exceptions import OperationalError as BrokerUnreachableError

from common.errors import BrokerError
from common.store.session import open_store
from worker.app import create_app
from worker.dispatcher import Dispatcher
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
    settings = WorkerSettings.read()
    engine = open_store()
    app = create_app(settings)
    _check_broker(app)
    with ExitStack() as exits:
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

        def drain(**_: Any) -> None:
            log.info("stopping: chunks in work are given back")
            service.drain()

        worker_shutting_down.connect(drain)
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


def _check_broker(app: Celery) -> None:
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
    except BrokerUnreachableError as error:
        raise BrokerError(f"The broker at BROKER_URL cannot be reached: {error}") from None
