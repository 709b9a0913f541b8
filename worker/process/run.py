"""`worker run`: a process that asks the ledger for chunks.

Lists of other systems come by a program of its own, where there is a broker (`list_taker`).

Chunks are worked on in threads: they share one copy of the model and one batcher, so a slow museum
holds up its own chunk only. Processes would also end a chunk that hangs or crashes. Here the ledger
does that: the lease runs out, and the chunk is split.
"""

import gc
import signal
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from queue import Empty, SimpleQueue

import structlog
import torch
from sqlalchemy import Engine, text
from threadpoolctl import threadpool_limits

from common.europeana.api import EuropeanaApi
from common.process.cores import switch_threads_often
from common.process.metrics_server import served
from common.process.periodic import PeriodicThread
from common.process.settings import BrokerSettings, StoreSettings, read_together
from common.process.settings.worker import WorkerSettings
from common.vision.runtimes.devices import pick_device
from worker import metrics
from worker.ledger.roster import WorkerState
from worker.ledger.sweep import Sweeper
from worker.process.chunk_threads import ChunkThreads
from worker.process.health import Heartbeat, Presence
from worker.process.list_taker import ListTaker
from worker.process.listening import Listener
from worker.process.needs import Need, Needs, wait_for_store
from worker.process.service import PROCESS_NAME, EnrichmentService
from worker.store_gauges import StoreGauges

STORE_SECONDS = 5.0  # between two looks, while nothing is wrong
BROKER_SECONDS = 10.0
KEY_SECONDS = 600.0
MODELS_SECONDS = 60.0
LOOK_SECONDS = 1.0  # between two looks whether the worker is to end

log = structlog.get_logger()


def run_worker() -> int:
    """Work until SIGTERM or Ctrl-C, which are the same; returns the exit code.

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
    pick_device(settings.computes_on)  # before anything is waited for
    lists = [ListTaker(BrokerSettings.read())] if settings.broker_url is not None else []
    signal.signal(signal.SIGUSR1, lambda *_: _wake(lists))  # see the runbook
    engine = wait_for_store(settings, name=PROCESS_NAME)
    with ExitStack() as exits:
        if settings.worker_metrics_port is not None:
            address = str(settings.worker_metrics_address)
            exits.enter_context(served(settings.worker_metrics_port, address, program="WORKER"))
        service = exits.enter_context(closing(EnrichmentService(engine, settings)))
        metrics.DEVICE.labels(str(service.device)).set(1)
        api = exits.enter_context(closing(EuropeanaApi(settings, longest_quota_wait=0, attempts=1)))
        chunk_threads = _chunk_threads(service, settings)
        needs = _needs(engine, service, api, lists)
        _start(exits, lists)
        _start(exits, _around(engine, service, settings, chunk_threads, needs))
        service.load_active_model()
        told = _heed_signals()
        _start(exits, chunk_threads)  # which end first: the others tell of the worker till then
        exits.callback(_drain, service, lists)
        gc.freeze()  # what is loaded stays: looking for rubbish in it takes 0.2 s, each chunk
        log.info(
            "worker started",
            chunks_in_flight=settings.worker_chunks_in_flight,
            device=str(service.device),
        )
        _wait_for(told)
    return 0


def _heed_signals() -> SimpleQueue[None]:
    told: SimpleQueue[None] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.put(None))
    return told


def _wait_for(told: SimpleQueue[None]) -> None:
    """A signal that comes just before a wait does not end it, so that none is long."""
    while True:
        with suppress(Empty):
            return told.get(timeout=LOOK_SECONDS)


def _drain(service: EnrichmentService, lists: Sequence[ListTaker]) -> None:
    """Begin the end: a second SIGTERM changes nothing, and Ctrl-C gives back what is in work."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, lambda *_: service.returns.leave())
    for each in lists:
        each.tell_to_end()
    service.returns.drain()


def _start(exits: ExitStack, threads: Sequence[PeriodicThread]) -> None:
    for thread in threads:
        thread.start()
        exits.callback(thread.stop)


def _wake(threads: Sequence[PeriodicThread]) -> None:
    for each in threads:
        each.wake()


def _needs(
    engine: Engine, service: EnrichmentService, api: EuropeanaApi, lists: Sequence[ListTaker]
) -> Needs:
    needs = [
        Need(name="database", check=partial(_check_store, engine), seconds=STORE_SECONDS),
        Need(name="key", check=partial(_check_key, api), seconds=KEY_SECONDS),
        Need(name="models", check=service.check_models, seconds=MODELS_SECONDS),
    ]
    for each in lists:  # without which chunks are worked on
        needs.insert(1, Need(name="lists", check=each.check, seconds=BROKER_SECONDS, stops=False))
    return Needs(needs)


def _check_store(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def _check_key(api: EuropeanaApi) -> None:
    for _ in api.search_ids(["/0/0"]):  # there is no such record
        pass


def _chunk_threads(service: EnrichmentService, settings: WorkerSettings) -> list[ChunkThreads]:
    """Threads for fresh chunks, and as many for those that were put off, which mostly wait."""
    return [
        ChunkThreads(
            name,
            partial(service.claim, put_off=put_off),
            service.work_on,
            count=settings.worker_chunks_in_flight,
            longest_pause=settings.worker_ask_seconds,
        )
        for name, put_off in (("chunks", False), ("put-off-chunks", True))
    ]


def _around(
    engine: Engine,
    service: EnrichmentService,
    settings: WorkerSettings,
    chunk_threads: Sequence[ChunkThreads],
    needs: Needs,
) -> list[PeriodicThread]:
    """What goes on beside the work: the sweep, and all that tells others of this worker."""
    sweeper = Sweeper(engine, interval=settings.worker_sweep_seconds)
    state = partial(_state, service, needs, [sweeper, *chunk_threads, *service.threads])
    threads = [
        needs,
        sweeper,
        Heartbeat(settings.worker_heartbeat_file, state),
        Presence(engine, state),
    ]
    if settings.worker_metrics_port is not None:
        threads.append(StoreGauges(engine))
    metrics.watch([*threads, *chunk_threads, *service.threads])
    return [*threads, Listener(engine, partial(_wake, chunk_threads))]


def _state(
    service: EnrichmentService, needs: Needs, must_run: Sequence[PeriodicThread]
) -> WorkerState:
    return WorkerState(
        name=service.name,
        device=str(service.device),
        in_float32=service.in_float32,
        has_model=service.has_model,
        idle_seconds=service.idle_seconds,
        problems=needs.problems,
        stalled={each.name: each.seconds_since_run for each in must_run if each.is_stalled},
        hangs=not service.is_well or any(each.has_died for each in must_run),
    )
