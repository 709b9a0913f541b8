"""The cross-validation: prepare the data, train every unfinished fold, summarise."""

from collections.abc import Callable, Iterator, Sequence

from rich.text import Text

from common.process.console import SafeConsole
from common.process.progress import ProgressReport, progress
from common.vision.network import pick_device
from trainer.data.dataset import TrainingData
from trainer.data.prepare import prepare, write_near_duplicates
from trainer.experiment import Experiment, FoldResult
from trainer.learning.fit import Epoch, start_classifier
from trainer.report.page import summarise, write_summary
from trainer.running.fold import Assignment, cache_folder, run_fold
from trainer.scoring.metrics import Summary
from trainer.settings import TrainingSettings

Way = Callable[[Sequence[int], Assignment], Iterator[FoldResult]]
"""How folds are trained: in sequence, side by side, or by other machines."""


def run_in_sequence(numbers: Sequence[int], assignment: Assignment) -> Iterator[FoldResult]:
    """Train folds of a begun experiment one after the other, and yield each result.

    Raises:
        EnrichmentError: a fold failed.
    """
    settings = assignment.settings
    for number in numbers:
        title = f"Fold {number + 1} of {settings.folds}, epochs"
        with progress(title, settings.all_epochs) as report:

            def show(epoch: Epoch, report: ProgressReport = report) -> None:
                report.advance(note=str(epoch))

            result = run_fold(number, assignment, device=pick_device(), on_epoch=show)
        yield result


def cross_validate(
    data: TrainingData,
    settings: TrainingSettings,
    experiment: Experiment,
    console: SafeConsole,
    way: Way = run_in_sequence,
) -> Summary:
    """Train and test every fold that an earlier run has not finished.

    Raises:
        UsageError: the experiment was begun with other settings or data, or another process
            trains it.
        DatasetError: the data cannot be trained on.
        ModelError: the weights to start from are unusable.
        EnrichmentError: a fold failed.
    """
    settings = settings.pinned()
    with experiment.claimed():
        experiment.check_unchanged(settings, data)
        left = [number for number in range(settings.folds) if not experiment.is_finished(number)]
        if left:
            assignment = Assignment(data=data, settings=settings, experiment=experiment)
            _begin(assignment, console)
            for result in way(left, assignment):
                console.print(_line(result), highlight=False)
        else:
            console.print(f"Experiment {experiment.name} is complete; nothing left to train.")
        summary = summarise(experiment)
        write_summary(experiment, summary)
    return summary


def _begin(assignment: Assignment, console: SafeConsole) -> None:
    """Write all that a process needs to run a fold, and print what will be trained."""
    data, settings, experiment = assignment.data, assignment.settings, assignment.experiment
    _, weights = start_classifier(settings, classes=len(data.categories), fold=0)
    prepared = prepare(data, settings, cache_folder(experiment), console)
    experiment.begin(settings, data)
    experiment.write_splits(prepared.cached.data, prepared.folds)
    write_near_duplicates(prepared.near_duplicates, experiment.folder / "near_duplicates.csv")
    _print_start(prepared.cached.data, settings, weights=str(weights or "at random"), to=console)


def _print_start(
    data: TrainingData, settings: TrainingSettings, *, weights: str, to: SafeConsole
) -> None:
    counts = zip(data.categories, data.counts, strict=True)
    listed = ", ".join(f"{category} {count:,}" for category, count in counts)
    pictures = Text.assemble((data.source, "bold"), f": {len(data.examples):,} pictures ({listed})")
    to.print(pictures, soft_wrap=True)
    network = (settings.architecture, "bold")
    at = f" at {settings.input_size} px; weights: {weights}"
    to.print(Text.assemble(network, at), soft_wrap=True)


def _line(result: FoldResult) -> str:
    return (
        f"Fold {result.fold + 1}: accuracy {result.test.accuracy:.3f}, "
        f"macro F1 {result.test.f1:.3f} on {result.test.examples:,} pictures; "
        f"best of {result.epochs} epochs: {result.best_epoch}"
    )
