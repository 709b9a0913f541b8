"""Folds by other machines: the queue `train` carries hints, the shared disk carries results.

A message is only a hint at a fold. It is acknowledged when it is taken, not hours later when the
fold is done. If the queue is empty and a fold is neither finished nor being trained, its message
or its machine was lost: the fold is sent again, and goes on from its last save.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common import broker
from common.broker import by_name, first_problem
from common.errors import BrokerError, EnrichmentError
from common.process.progress import ProgressReport, progress
from common.process.settings import BrokerSettings
from trainer.experiment import NAME, Experiment, FoldResult
from trainer.running.fold import Assignment
from trainer.running.fold_worker import FoldStatus, forget_status, read_status

TRAIN_FOLD = "trainer.train_fold"
QUEUE = "train"
MAX_FOLDS = 1_000
log = structlog.get_logger()
LOOK_EVERY = 1.0  # seconds
SEND_EVERY = 5.0  # seconds between two looks whether folds must be sent again
LOOKS_IN_VAIN = 6  # of these, until it is said that no machine trains


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
    app = broker.create_app("trainer", BrokerSettings.read(), [QUEUE])
    on_redis = app.conf.broker_url.startswith("redis")  # elsewhere a worker holds one hint more
    app.conf.update(task_acks_late=False, worker_disable_prefetch=on_redis)
    broker.check_broker(app)
    return app


def register_task(app: Celery, train: Callable[[str, int], None]) -> None:
    """Give the application its task: `train` is told the experiment and the number of the fold."""

    @app.task(name=TRAIN_FOLD)
    def train_fold(*args: object, **kwargs: object) -> None:
        try:
            hint = _FoldName.model_validate(by_name(args, kwargs, _FoldName))
        except ValidationError as error:
            log.error("message refused", error=first_problem(error))
            return
        train(hint.experiment, hint.fold)


class FoldQueue:
    """The sending end."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, experiment: str, folds: Iterable[int]) -> None:
        """Put hints at folds into the queue.

        Raises:
            BrokerError: the broker is away.
        """
        try:
            for fold in folds:
                self._app.send_task(TRAIN_FOLD, args=[experiment, fold], queue=QUEUE)
        except OperationalError as error:
            raise BrokerError(f"The broker at BROKER_URL is away: {error}") from None

    def is_empty(self) -> bool:
        """Whether every hint was taken, or is lost.

        Raises:
            BrokerError: the broker is away.
        """
        return broker.count_waiting(self._app, QUEUE) == 0


def run_by_queue(
    numbers: Sequence[int], assignment: Assignment, *, queue: FoldQueue
) -> Iterator[FoldResult]:
    """Have folds of a begun experiment trained by `trainer worker`; their results as they come.

    Raises:
        BrokerError: the broker is away before all folds are sent; later, that is waited for.
        EnrichmentError: a fold failed; the machines go on with the others.
    """
    experiment, left = assignment.experiment, list(numbers)
    for number in left:
        forget_status(experiment, number)  # what went wrong in an earlier run
    queue.send(experiment.name, left)
    watch, behind = _Watch(experiment, queue), 0
    with progress("Epochs", len(left) * assignment.config.all_epochs) as report:
        while left:
            time.sleep(LOOK_EVERY)
            for number in filter(experiment.is_finished, tuple(left)):
                left.remove(number)
                result = experiment.result(number)
                behind += result.epochs
                yield result
            statuses = {number: read_status(experiment, number) for number in left}
            _raise_failure(statuses)
            _show(statuses, report, behind=behind)
            watch.look(left)


class _Watch:
    """Sees to it that every fold that is left is in the queue or in work."""

    def __init__(self, experiment: Experiment, queue: FoldQueue) -> None:
        self._experiment = experiment
        self._queue = queue
        self._looked_at = time.monotonic()
        self._idle_looks = 0

    def look(self, left: Sequence[int]) -> None:
        if time.monotonic() < self._looked_at + SEND_EVERY:
            return
        self._looked_at = time.monotonic()
        idle = [number for number in left if not self._experiment.is_claimed(number)]
        self._idle_looks = self._idle_looks + 1 if len(idle) == len(left) else 0
        if self._idle_looks == LOOKS_IN_VAIN:
            log.warning(
                "no machine trains: is `trainer worker` running on one that shares the disk?",
                folder=str(self._experiment.folder),
            )
        with suppress(BrokerError):  # machines that train need none, and it will be back
            if idle and self._queue.is_empty():
                self._queue.send(self._experiment.name, idle)


def _raise_failure(statuses: Mapping[int, FoldStatus | None]) -> None:
    for number, status in statuses.items():
        if status and status.error:
            raise EnrichmentError(f"Fold {number + 1}, on {status.machine}: {status.error}")


def _show(
    statuses: Mapping[int, FoldStatus | None], report: ProgressReport, *, behind: int
) -> None:
    """Bring the report to where the folds are; so many epochs of finished ones are behind."""
    notes = []
    for number, status in statuses.items():
        if status and status.epoch:
            behind += status.epoch.number
            notes.append(
                f"fold {number + 1} on {status.machine}: epoch {status.epoch.number}, "
                f"{status.epoch}"
            )
    report.advance(behind - report.done, note="; ".join(notes))
