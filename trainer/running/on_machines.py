"""Folds on other machines: the queue `train` carries hints, the shared disk carries results.

A message is only a hint that names a fold. A worker acknowledges it when it takes it, not hours
later when the fold is finished. If the queue is empty and a fold is neither finished nor claimed,
its message or its machine was lost. Then the fold is sent again, and continues from its last save.

While a fold is trained, `status.json` in its folder names the machine and the last epoch.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common import broker
from common.broker.arguments import by_name, first_problem
from common.broker.broker_url import read_broker_url
from common.errors import BrokerError, EnrichmentError
from common.files import read_regular, write_atomically
from common.process.settings import BrokerSettings
from common.process.terminal.progress import ProgressReport, progress
from trainer.data.tables import parsing
from trainer.experiment import Experiment, FoldResult
from trainer.learning.training_state import Epoch
from trainer.running.fold import Assignment
from trainer.settings import MAX_JSON, NAME

TRAIN_FOLD = "trainer.train_fold"
QUEUE = "train"
MAX_FOLDS = 1_000
_STATUS = "status.json"
log = structlog.get_logger()
CHECK_EVERY = 1.0  # seconds
SEND_EVERY = 5.0  # seconds between two checks for folds that must be sent again
IDLE_CHECKS = 6  # in a row before the warning that no machine trains


class _FoldName(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    experiment: Annotated[str, Field(max_length=200, pattern=f"^{NAME}$")]
    fold: Annotated[int, Field(ge=0, lt=MAX_FOLDS)]


def create_app() -> Celery:
    """The Celery application of the queue, without its task.

    Raises:
        UsageError: BROKER_URL is missing.
        BrokerError: the broker cannot be reached.
    """
    settings = BrokerSettings.read()
    app = broker.create_app("trainer", settings, [QUEUE])
    # With other brokers a worker holds one more hint.
    prefetches_none = read_broker_url(settings).on_redis
    app.conf.update(task_acks_late=False, worker_disable_prefetch=prefetches_none)
    broker.check_broker(settings)
    return app


def register_task(app: Celery, train: Callable[[str, int], None]) -> None:
    """Register the task, which calls `train` with the experiment and the number of the fold."""

    @app.task(name=TRAIN_FOLD)
    def train_fold(*args: object, **kwargs: object) -> None:
        try:
            hint = _FoldName.model_validate(by_name(args, kwargs, _FoldName))
        except ValidationError as error:
            log.error("message refused", error=first_problem(error))
            return
        train(hint.experiment, hint.fold)


class FoldStatus(BaseModel):
    """The machine that trains a fold, and the last epoch; `error` is the reason why it stopped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str
    epoch: Epoch | None = None
    error: str = ""


def write_status(experiment: Experiment, number: int, status: FoldStatus) -> None:
    """Write the status of a fold, for processes that watch the experiment."""
    write_atomically(_path(experiment, number), status.model_dump_json())


def read_status(experiment: Experiment, number: int) -> FoldStatus | None:
    """The last status of a fold, if it has one.

    Raises:
        ModelError: the file is damaged.
    """
    with parsing(_path(experiment, number)) as path:
        try:
            return FoldStatus.model_validate_json(read_regular(path, at_most=MAX_JSON))
        except FileNotFoundError:
            return None


def forget_status(experiment: Experiment, number: int) -> None:
    _path(experiment, number).unlink(missing_ok=True)


def _path(experiment: Experiment, number: int) -> Path:
    return experiment.split(number) / _STATUS


class FoldQueue:
    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, experiment: str, folds: Iterable[int]) -> None:
        """Put a hint for each fold into the queue.

        Raises:
            BrokerError: the broker cannot be reached.
        """
        try:
            for fold in folds:
                self._app.send_task(TRAIN_FOLD, args=[experiment, fold], queue=QUEUE)
        except OperationalError as error:
            raise BrokerError(
                f"The broker at BROKER_URL cannot be reached: {error}"
            ) from None  # the cause may hold the URL with its password

    def is_empty(self) -> bool:
        """Whether every hint is taken or lost.

        Raises:
            BrokerError: the broker cannot be reached.
        """
        return broker.count_waiting(self._app, QUEUE) == 0


def run_by_queue(
    numbers: Sequence[int], assignment: Assignment, *, queue: FoldQueue
) -> Iterator[FoldResult]:
    """Let `trainer worker` train folds of an experiment; yield each result.

    Raises:
        BrokerError: the broker cannot be reached before all folds are sent. Later, this waits for
            it.
        EnrichmentError: a fold failed; the machines continue with the others.
    """
    experiment, left = assignment.experiment, list(numbers)
    for number in left:
        forget_status(experiment, number)  # the error of an earlier run
    queue.send(experiment.name, left)
    watch, behind = _Watch(experiment, queue), 0
    with progress("Epochs", len(left) * assignment.settings.all_epochs) as report:
        while left:
            time.sleep(CHECK_EVERY)
            for number in filter(experiment.is_finished, tuple(left)):
                left.remove(number)
                result = experiment.result(number)
                behind += result.epochs
                yield result
            statuses = {number: read_status(experiment, number) for number in left}
            _raise_failure(statuses)
            _show(statuses, report, behind=behind)
            watch.check(left)


class _Watch:
    """Sends unfinished folds again if they are neither in the queue nor in training."""

    def __init__(self, experiment: Experiment, queue: FoldQueue) -> None:
        self._experiment = experiment
        self._queue = queue
        self._checked_at = time.monotonic()
        self._idle_checks = 0

    def check(self, left: Sequence[int]) -> None:
        if time.monotonic() < self._checked_at + SEND_EVERY:
            return
        self._checked_at = time.monotonic()
        idle = [number for number in left if not self._experiment.is_claimed(number)]
        self._idle_checks = self._idle_checks + 1 if len(idle) == len(left) else 0
        if self._idle_checks == IDLE_CHECKS:
            log.warning(
                "no machine is training: run `trainer worker` on a machine that shares the disk",
                folder=str(self._experiment.folder),
            )
        with suppress(BrokerError):  # running folds do not need it; the next check tries again
            if idle and self._queue.is_empty():
                self._queue.send(self._experiment.name, idle)


def _raise_failure(statuses: Mapping[int, FoldStatus | None]) -> None:
    for number, status in statuses.items():
        if status and status.error:
            raise EnrichmentError(f"Fold {number + 1}, on {status.machine}: {status.error}")


def _show(
    statuses: Mapping[int, FoldStatus | None], report: ProgressReport, *, behind: int
) -> None:
    """Show the progress of the folds; `behind` are the epochs of finished ones."""
    notes = []
    for number, status in statuses.items():
        if status and status.epoch:
            behind += status.epoch.number
            notes.append(
                f"fold {number + 1} on {status.machine}: epoch {status.epoch.number}, "
                f"{status.epoch}"
            )
    report.advance(behind - report.done, note="; ".join(notes))
