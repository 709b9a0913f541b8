"""The cross-validation: prepare the data, train every fold that is not finished, sum up."""

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.markup import escape

from trainer.data.dataset import TrainingData
from trainer.data.prepare import prepare, write_twins
from trainer.experiment import Experiment, FoldResult
from trainer.learning.fit import start_classifier
from trainer.report.page import summarise, write_summary
from trainer.running.fold import Assignment, cache_folder
from trainer.running.in_sequence import run_in_sequence
from trainer.scoring.metrics import Summary
from trainer.settings import TrainingConfig

Way = Callable[[Sequence[int], Assignment], Iterator[FoldResult]]
"""How folds are trained: in sequence, side by side, or by other machines."""


def cross_validate(
    data: TrainingData,
    config: TrainingConfig,
    experiment: Experiment,
    console: Console,
    way: Way = run_in_sequence,
) -> Summary:
    """Train and test every fold, or those that are left of an earlier run.

    Raises:
        UsageError: the experiment was begun with other settings or data, or is being trained.
        DatasetError: the data cannot be trained on.
        ModelError: the weights to start from are unusable.
        EnrichmentError: a fold failed; the message says why.
    """
    config = config.pinned()
    with experiment.claimed():
        experiment.check_unchanged(config, data)
        left = [number for number in range(config.folds) if not experiment.is_finished(number)]
        if left:
            assignment = Assignment(data=data, config=config, experiment=experiment)
            _begin(assignment, console)
            for result in way(left, assignment):
                console.print(_line(result), highlight=False)
        else:
            console.print(f"Experiment {experiment.name} is complete; nothing left to train.")
        summary = summarise(experiment)
        write_summary(experiment, summary)
    return summary


def _begin(assignment: Assignment, console: Console) -> None:
    """Write down all that a process needs to run a fold, and say what will be trained."""
    data, config, experiment = assignment.data, assignment.config, assignment.experiment
    _, weights = start_classifier(config, classes=len(data.categories), fold=0)
    prepared = prepare(data, config, cache_folder(experiment), console)
    experiment.begin(config, data)
    experiment.write_splits(prepared.cached.data, prepared.folds)
    write_twins(prepared.twins, experiment.folder / "twins.csv")
    _print_start(prepared.cached.data, config, weights=str(weights or "at random"), to=console)


def _print_start(data: TrainingData, config: TrainingConfig, *, weights: str, to: Console) -> None:
    counts = zip(data.categories, data.counts, strict=True)
    listed = ", ".join(f"{category} {count:,}" for category, count in counts)
    source = escape(data.source)
    to.print(f"[bold]{source}[/]: {len(data.examples):,} pictures ({listed})", soft_wrap=True)
    network = f"{config.architecture}[/] at {config.input_size} px"
    to.print(f"[bold]{network}; weights: {escape(weights)}", soft_wrap=True)


def _line(result: FoldResult) -> str:
    return (
        f"Fold {result.fold + 1}: accuracy {result.test.accuracy:.3f}, "
        f"macro F1 {result.test.f1:.3f} on {result.test.examples:,} pictures; "
        f"best of {result.epochs} epochs: {result.best_epoch}"
    )
