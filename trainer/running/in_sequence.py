"""Folds in sequence, each by this process, or by the team that torchrun started."""

from collections.abc import Iterator, Sequence

from common.process.progress import ProgressReport, progress
from trainer.experiment import FoldResult
from trainer.learning import distributed
from trainer.learning.state import Epoch
from trainer.running.fold import Assignment, help_with_fold, run_fold


def run_in_sequence(numbers: Sequence[int], assignment: Assignment) -> Iterator[FoldResult]:
    """Train folds of a begun experiment one after the other; their results as they come.

    Raises:
        EnrichmentError: a fold failed.
    """
    config = assignment.config
    for number in numbers:
        distributed.told((number, assignment))
        with progress(f"Fold {number + 1} of {config.folds}, epochs", config.all_epochs) as report:

            def show(epoch: Epoch, report: ProgressReport = report) -> None:
                report.advance(note=str(epoch))

            result = run_fold(number, assignment, device=distributed.own_device(), on_epoch=show)
        yield result


def follow() -> None:
    """Train with the process that leads until it has no more folds.

    Raises:
        EnrichmentError: a fold failed.
    """
    while (order := distributed.told(None)) is not None:
        number, assignment = order
        help_with_fold(number, assignment, device=distributed.own_device())
