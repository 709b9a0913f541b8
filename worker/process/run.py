"""`worker run`: a process of a Celery worker, a dispatcher, a waiting room and the service.

Celery's pool is one of threads: the chunks in work share one copy of the model and one batcher,
so a slow museum holds up its own chunk only. A pool of processes would also end a task that hangs
or crashes. Here the ledger does that: the lease runs out, and the chunk is split.
"""

from contextlib import ExitStack, closing
from functools import partial

import structlog
import torch
from celery import Celery
from sqlalchemy import Engine
from threadpoolctl import threadpool_limits

from common.broker import check_broker, work
from common.messages import put_aside
from common.process.cores import switch_threads_often
from common.process.periodic import PeriodicThread
from common.process.settings.worker import WorkerSettings
from common.store.refused_messages import RefusedMessageWriter
from common.store.session import open_store
from worker import metrics
from worker.ledger.dispatch import Dispatcher, WaitingRoom
from worker.process.health import Heartbeat
from worker.process.service import EnrichmentService
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
    torch.set_num_threads(1)  # of each thread that computes: there are as many threads as cores
    threadpool_limits(
        1, user_api="blas"
    )  # numpy's threads wait busily: reading took three times the processor
    settings = WorkerSettings.read()
    engine = open_store(connections=settings.store_connections)
    app = create_app(settings)
    check_broker(app)
    with ExitStack() as exits:
        if settings.worker_metrics_port is not None:
            address = str(settings.worker_metrics_address)
            exits.enter_context(metrics.served(settings.worker_metrics_port, address))
        service = exits.enter_context(closing(EnrichmentService(engine, settings)))
        register_tasks(app, service, engine)
        threads = _periodic_threads(app, engine, service, settings)
        metrics.watch([*threads, *service.threads])
        for thread in threads:
            thread.start()
            exits.callback(thread.stop)
        service.load_active_model()

        def drain() -> None:
            log.info("stopping: chunks in work are finished or given back")
            service.drain()

        log.info("worker ready", chunks_in_flight=settings.worker_chunks_in_flight)
        return work(app, threads=settings.worker_chunks_in_flight, on_stop=drain)


def _periodic_threads(
    app: Celery, engine: Engine, service: EnrichmentService, settings: WorkerSettings
) -> list[PeriodicThread]:
    dispatcher = Dispatcher(
        engine,
        partial(send_hint, app, hint_seconds=settings.worker_hint_seconds),
        interval=settings.worker_dispatch_seconds,
        hint_seconds=settings.worker_hint_seconds,
    )
    service.on_done = dispatcher.wake
    waiting_room = WaitingRoom(
        service.claim_put_off,
        service.work_on,
        places=settings.worker_chunks_in_flight,
        interval=settings.worker_dispatch_seconds,
    )
    heartbeat = Heartbeat(
        settings.worker_heartbeat_file,
        alive=lambda: service.is_well and dispatcher.is_alive() and waiting_room.is_alive(),
        model_loaded=lambda: service.has_model,
        threads=[dispatcher, waiting_room, *service.threads],
        held_up_by=lambda: dispatcher.held_up_by,
    )
    return [dispatcher, waiting_room, heartbeat, RefusedMessageWriter(engine, put_aside)]
