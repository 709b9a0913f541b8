"""`worker run`: a process of a Celery worker, a dispatcher, a waiting room and the service.

Celery's pool is one of threads: the chunks in work share one copy of the model and one batcher,
so a slow museum holds up its own chunk only. A pool of processes would also end a task that hangs
or crashes. Here the ledger does that: the lease runs out, and the chunk is split.
"""

from contextlib import ExitStack, closing, suppress
from functools import partial

import structlog
import torch
from celery import Celery
from sqlalchemy import Engine, text
from threadpoolctl import threadpool_limits

from common.broker import check_broker, work
from common.errors import BrokerError
from common.europeana.api import EuropeanaApi
from common.messages import put_aside
from common.process.cores import switch_threads_often
from common.process.periodic import PeriodicThread
from common.process.settings import StoreSettings, read_together
from common.process.settings.worker import WorkerSettings
from common.store.refused_messages import RefusedMessageWriter
from worker import metrics
from worker.ledger.dispatch import Dispatcher, WaitingRoom
from worker.process.health import Heartbeat
from worker.process.needs import Need, Needs, Presence, wait_for_store
from worker.process.service import EnrichmentService
from worker.process.tasks import create_app, register_tasks, send_hint

STORE_SECONDS = 5.0  # between two looks, while nothing is wrong
BROKER_SECONDS = 10.0
KEY_SECONDS = 600.0
MODELS_SECONDS = 60.0

log = structlog.get_logger()


def run_worker() -> int:
    """Work until SIGTERM or Ctrl-C; returns the exit code.

    A database or a broker that is away is waited for.

    Raises:
        StoreError: the schema of the store does not serve this program.
        UsageError: a setting is missing or malformed.
    """
    switch_threads_often()
    torch.set_num_threads(1)  # of each thread that computes: there are as many threads as cores
    threadpool_limits(
        1, user_api="blas"
    )  # numpy's threads wait busily: reading took three times the processor
    read_together(StoreSettings, WorkerSettings)  # so that all that is missing is named at once
    settings = WorkerSettings.read()
    app = create_app(settings)
    engine = wait_for_store(settings)
    with suppress(BrokerError):  # Celery waits for a broker that is away, and `needs` name it
        check_broker(app)
    with ExitStack() as exits:
        if settings.worker_metrics_port is not None:
            address = str(settings.worker_metrics_address)
            exits.enter_context(metrics.served(settings.worker_metrics_port, address))
        service = exits.enter_context(closing(EnrichmentService(engine, settings)))
        register_tasks(app, service, engine)
        api = exits.enter_context(closing(EuropeanaApi(settings, longest_quota_wait=0, attempts=1)))
        needs = _needs(app, engine, service, api)
        threads = _periodic_threads(app, engine, service, settings, needs)
        metrics.watch([*threads, *service.threads])
        for thread in (needs, *threads):
            thread.start()
            exits.callback(thread.stop)

        def drain() -> None:
            log.info("stopping: chunks in work are finished or given back")
            service.drain()

        service.load_active_model()

        log.info("worker started", chunks_in_flight=settings.worker_chunks_in_flight)
        return work(app, threads=settings.worker_chunks_in_flight, on_stop=drain)


def _needs(app: Celery, engine: Engine, service: EnrichmentService, api: EuropeanaApi) -> Needs:
    """What this worker needs, and checks again and again."""
    needs = [
        Need(name="database", check=partial(_check_store, engine), seconds=STORE_SECONDS),
        Need(name="broker", check=lambda: check_broker(app), seconds=BROKER_SECONDS),
        Need(name="key", check=partial(_check_key, api), seconds=KEY_SECONDS),
        Need(name="models", check=service.check_models, seconds=MODELS_SECONDS),
    ]
    return Needs(needs)


def _check_store(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def _check_key(api: EuropeanaApi) -> None:
    for _ in api.search_ids(["/0/0"]):  # there is no such record
        pass


def _periodic_threads(
    app: Celery,
    engine: Engine,
    service: EnrichmentService,
    settings: WorkerSettings,
    needs: Needs,
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
        problems=lambda: needs.problems,
        threads=[dispatcher, waiting_room, *service.threads],
        held_up_by=lambda: dispatcher.held_up_by,
    )
    presence = Presence(engine, needs, name=service.name, idle_seconds=lambda: service.idle_seconds)
    refusals = RefusedMessageWriter(engine, put_aside)
    return [dispatcher, waiting_room, heartbeat, presence, refusals]
