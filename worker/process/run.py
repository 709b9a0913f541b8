"""`worker run`: a process of a Celery worker, a dispatcher, a waiting room and the service.

Celery's pool of threads: the chunks in work share one copy of the model and one batcher, so a slow
museum holds up its own chunk only. What a pool of processes would give, an end to a task that
hangs or crashes, comes from the ledger: the lease runs out and the chunk is split.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Thread

import structlog
import torch

from common.broker import check_broker, work
from common.process.cores import switch_threads_often
from common.store.session import open_store
from worker import metrics
from worker.ledger.dispatch import Dispatcher, WaitingRoom
from worker.process.health import Heartbeat
from worker.process.service import EnrichmentService
from worker.process.settings import WorkerSettings
from worker.process.tasks import create_app, register_tasks, send_hint

log = structlog.get_logger()


def run_worker() -> int:
    """Work until SIGTERM or Ctrl-C; returns the exit code.

    Raises:
        BrokerError: the broker cannot be reached.
        StoreError: Postgres cannot be reached or is not migrated.
        UsageError: a setting is missing.
    """
    switch_threads_often()
    torch.set_num_threads(1)  # of each thread that computes: there are as many as cores
    settings = WorkerSettings.read()
    engine = open_store()
    app = create_app(settings)
    check_broker(app)
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
        waiting_room = WaitingRoom(
            service.claim_put_off,
            service.work_on,
            places=settings.worker_chunks_in_flight,
            interval=settings.worker_dispatch_seconds,
        )
        waiting_room.start()
        exits.callback(waiting_room.stop)
        if settings.worker_heartbeat_file:
            threads = (dispatcher, waiting_room)
            heartbeat = _heartbeat(settings.worker_heartbeat_file, service, threads)
            heartbeat.start()
            exits.callback(heartbeat.stop)
        service.load_active_model()

        def drain() -> None:
            log.info("stopping: chunks in work are finished or given back")
            service.drain()

        log.info("worker ready", chunks_in_flight=settings.worker_chunks_in_flight)
        return work(app, threads=settings.worker_chunks_in_flight, on_stop=drain)


def _heartbeat(path: Path, service: EnrichmentService, threads: Iterable[Thread]) -> Heartbeat:
    return Heartbeat(
        path,
        alive=lambda: service.is_well and all(each.is_alive() for each in threads),
        model_loaded=lambda: service.has_model,
    )
