"""`trainer worker`: trains the folds that other processes put into the queue, one per device.

Celery's threads wait for messages. Each fold is trained in its own process. When that process ends,
its memory is free again, also on a GPU. You can stop it at once: another worker continues the fold.
"""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import structlog
import torch

from common import broker
from common.errors import EnrichmentError
from trainer.claims import ClaimedError
from trainer.data.store_dataset import read_again
from trainer.experiment import Experiment, FoldResult
from trainer.learning.training_state import Epoch
from trainer.running.fold import Assignment, run_fold
from trainer.running.on_devices import FoldProcess, Work, threads_each
from trainer.running.on_machines import (
    FoldStatus,
    create_app,
    forget_status,
    register_task,
    write_status,
)

# A service manager may end all processes at once: then a fold's process ends before this one.
NOTICED_WITHIN = 2.0  # seconds
log = structlog.get_logger()


def run_worker(saving_dir: Path, devices: Sequence[torch.device]) -> int:
    """Train folds until SIGTERM or Ctrl-C; returns the exit code.

    Raises:
        UsageError: BROKER_URL is missing.
        BrokerError: the broker cannot be reached.
    """
    app = create_app()
    worker = FoldWorker(saving_dir, devices)
    register_task(app, worker.train)
    log.info("worker ready", devices=[str(device) for device in devices], folder=str(saving_dir))
    return broker.work(app, threads=len(devices), on_stop=worker.stop)


class FoldWorker:
    """Trains folds of the experiments in a folder; `train` takes a thread per device."""

    def __init__(self, saving_dir: Path, devices: Sequence[torch.device]) -> None:
        self._saving_dir = saving_dir
        self._threads = threads_each(devices)
        self._free: SimpleQueue[torch.device] = SimpleQueue()
        for device in devices:
            self._free.put(device)
        self._running: set[FoldProcess] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def train(self, name: str, number: int) -> None:
        """Train a fold, unless it is finished or another process trains it."""
        experiment = Experiment(self._saving_dir, name)
        with structlog.contextvars.bound_contextvars(experiment=name, fold=number + 1):
            try:
                if number >= experiment.settings().folds:
                    log.error("the experiment has no such fold")
                elif experiment.settings().encoder:
                    log.error("the experiment trains heads: run `trainer train` for it")
                elif not (experiment.is_finished(number) or experiment.is_claimed(number)):
                    self._train(experiment, number)
            except EnrichmentError as error:
                log.error("this machine cannot train the fold", error=str(error))

    def stop(self) -> None:
        """Take no more folds, and end the running ones. Later they continue from the last save."""
        with self._lock:
            self._stopping.set()
            for process in self._running:
                process.kill()

    def _train(self, experiment: Experiment, number: int) -> None:
        device = self._free.get()
        machine = f"{socket.gethostname()} ({device})"
        work = partial(_train_fold, number, experiment=experiment, device=device, machine=machine)
        log.info("fold begun", device=str(device))
        try:
            with self._process(number, work) as process:
                result = process.result()
            log.info("fold finished", accuracy=round(result.test.accuracy, 4))
        except ClaimedError:
            log.info("another process trains the fold")
        except EnrichmentError as error:
            if self._stopping.wait(NOTICED_WITHIN):
                log.info("fold released: another worker may continue it")
                return
            log.error("fold failed", error=str(error))
            write_status(experiment, number, FoldStatus(machine=machine, error=str(error)))
        finally:
            self._free.put(device)

    @contextmanager
    def _process(self, number: int, work: Work) -> Iterator[FoldProcess]:
        with self._lock:
            process = FoldProcess(number, work, threads=self._threads)
            self._running.add(process)
            if self._stopping.is_set():
                process.kill()
        try:
            yield process
        finally:
            with self._lock:
                self._running.discard(process)
            process.kill()
            process.close()


def _train_fold(
    number: int,
    *,
    experiment: Experiment,
    device: torch.device,
    machine: str,
    on_epoch: Callable[[Epoch], None],
) -> FoldResult:
    """The work of a fold's process; it reads settings and data again."""
    settings, data = experiment.settings(), read_again(experiment.dataset())
    if differences := experiment.differences(settings.pinned(), data):
        raise EnrichmentError(
            f"The experiment began with other settings or data: {'; '.join(differences)}. "
            "Machines that train together need the same pictures and weights."
        )

    def tell(epoch: Epoch) -> None:
        write_status(experiment, number, FoldStatus(machine=machine, epoch=epoch))
        on_epoch(epoch)

    assignment = Assignment(data=data, settings=settings, experiment=experiment)
    result = run_fold(number, assignment, device=device, on_epoch=tell)
    forget_status(experiment, number)
    return result
