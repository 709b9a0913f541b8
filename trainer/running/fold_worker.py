"""`trainer worker`: trains the folds that other processes put into the queue, one per device.

Celery's threads wait for messages. Each fold is then trained in a process of its own. Its memory,
on a card too, is freed when that process ends, and it can be stopped at once: another worker goes
on with the fold. While a fold is trained, `status.json` in its folder says who trains it and the
last epoch.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import structlog
import torch

from common import broker
from common.errors import EnrichmentError, ModelError
from common.files import write_atomically
from trainer.claims import ClaimedError
from trainer.data.dataset import read_again
from trainer.experiment import Experiment, FoldResult
from trainer.learning.state import Epoch
from trainer.running.fold import Assignment, run_fold
from trainer.running.on_devices import FoldProcess, Work, threads_each
from trainer.running.on_machines import create_app, register_task

_FILE = "status.json"

# Who stops a service may end all its processes at once, a fold's before this one knows of it.
NOTICED_WITHIN = 2.0  # seconds
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class FoldStatus:
    """Who trains a fold and the last epoch; `error` says why they do so no longer."""

    machine: str
    epoch: Epoch | None = None
    error: str = ""


def write_status(experiment: Experiment, number: int, status: FoldStatus) -> None:
    """Tell those who watch the experiment.

    Raises:
        EnrichmentError: the disk is full or refuses.
    """
    write_atomically(_path(experiment, number), json.dumps(asdict(status)))


def read_status(experiment: Experiment, number: int) -> FoldStatus | None:
    """What was told last, if anything was.

    Raises:
        ModelError: the file is damaged.
    """
    path = _path(experiment, number)
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        epoch = raw.pop("epoch")
        return FoldStatus(**raw, epoch=epoch and Epoch(**epoch))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is damaged: {error}") from None


def forget_status(experiment: Experiment, number: int) -> None:
    """Take back what was told."""
    _path(experiment, number).unlink(missing_ok=True)


def _path(experiment: Experiment, number: int) -> Path:
    return experiment.split(number) / _FILE


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
    """Trains folds of the experiments in a folder; safe to call from a thread for each device."""

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
        """Do what a hint asks for; returns at once where the fold is finished or another's."""
        experiment = Experiment(self._saving_dir, name)
        with structlog.contextvars.bound_contextvars(experiment=name, fold=number + 1):
            try:
                if number >= experiment.config().folds:
                    log.error("the experiment has no such fold")
                elif not (experiment.is_finished(number) or experiment.is_claimed(number)):
                    self._train(experiment, number)
            except EnrichmentError as error:
                log.error("the fold cannot be trained here", error=str(error))

    def stop(self) -> None:
        """Take no more folds, and end those in work: they go on from what they saved."""
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
                log.info("fold given back")
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
    """The life of a fold's process: the experiment is all that it is told."""
    config, data = experiment.config(), read_again(experiment.dataset())
    if differences := experiment.differences(config.pinned(), data):
        raise EnrichmentError(
            f"This machine has not what the experiment was begun with: {'; '.join(differences)}. "
            "Machines that train together need the same pictures and weights."
        )

    def tell(epoch: Epoch) -> None:
        write_status(experiment, number, FoldStatus(machine=machine, epoch=epoch))
        on_epoch(epoch)

    assignment = Assignment(data=data, config=config, experiment=experiment)
    result = run_fold(number, assignment, device=device, on_epoch=tell)
    forget_status(experiment, number)
    return result
