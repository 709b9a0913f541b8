"""Folds by other machines: hints go to the queue, results come to the disk that all share.

Nothing hangs on a message. A fold that is neither finished nor being trained, while the queue is
empty, was lost with its message or its machine: it is sent again, and goes on from its last save.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import structlog

from common.errors import BrokerError, EnrichmentError
from common.process.progress import ProgressReport, progress
from trainer.folds.experiment import Experiment, FoldResult
from trainer.folds.fold_status import FoldStatus, forget_status, read_status
from trainer.running.fold import Assignment
from trainer.running.fold_queue import FoldQueue

LOOK_EVERY = 1.0  # seconds
SEND_EVERY = 5.0  # seconds between two looks whether folds must be sent again
LOOKS_IN_VAIN = 6  # of these, until it is said that no machine trains

log = structlog.get_logger()


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
