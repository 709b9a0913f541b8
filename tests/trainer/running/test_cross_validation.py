"""The cross-validation as a whole: it trains what is left, and sums up."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from tests.trainer.begun import QUICK
from tests.trainer.pictures import VOCABULARY
from trainer.data.dataset import folder_data
from trainer.experiment import Experiment, FoldResult
from trainer.running.cross_validation import cross_validate, run_in_sequence
from trainer.running.fold import Assignment


def test_folds_that_are_finished_are_not_trained_again(labelled: Path) -> None:
    asked: list[list[int]] = []

    def way(numbers: Sequence[int], assignment: Assignment) -> Iterator[FoldResult]:
        asked.append(list(numbers))
        yield from run_in_sequence(numbers, assignment)

    data, experiment = folder_data(labelled, VOCABULARY), Experiment(labelled.parent, "run")
    console = Console(record=True, quiet=True)
    first = cross_validate(data, QUICK, experiment, console, way)
    (experiment.split(1) / "metrics.json").unlink()
    second = cross_validate(data, QUICK, experiment, console, way)
    third = cross_validate(data, QUICK, experiment, console, way)
    assert asked == [[0, 1], [1]]
    assert first.model_dump_json() == second.model_dump_json() == third.model_dump_json()
    assert not list(experiment.folder.rglob("resume.pth"))
