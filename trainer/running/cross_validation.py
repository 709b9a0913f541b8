"""The cross-validation: prepare the data, do every unfinished fold, summarise."""

from collections.abc import Callable, Iterator, Sequence

from rich.text import Text

from common.process.terminal.console import SafeConsole
from common.process.terminal.progress import ProgressReport, progress
from trainer.data.dataset import TrainingData
from trainer.data.device import own_device
from trainer.data.embedded import EmbeddedData, embedded, group_embedded
from trainer.data.prepare import (
    Assigned,
    assign,
    check_trainable,
    prepare,
    usable,
    write_near_duplicates,
)
from trainer.experiment import Experiment, FoldResult
from trainer.learning.fit import start_classifier
from trainer.learning.training_state import Epoch
from trainer.report.page import summarise, write_summary
from trainer.running.fold import Assignment, cache_folder, run_fold
from trainer.running.head_fold import HeadAssignment, run_heads
from trainer.scoring.metrics import Summary
from trainer.settings import TrainingSettings

Way = Callable[[Sequence[int], Assignment], Iterator[FoldResult]]
"""How folds are trained: in sequence, side by side, or by other machines."""

Embed = Callable[[TrainingData, TrainingSettings], EmbeddedData]
"""Where the embeddings of data come from."""


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

            result = run_fold(number, assignment, device=own_device(), on_epoch=show)
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

    def train(left: Sequence[int], pinned: TrainingSettings) -> Iterator[FoldResult]:
        assignment = Assignment(data=data, settings=pinned, experiment=experiment)
        _begin(assignment, console)
        return way(left, assignment)

    return _cross_validate(data, settings, experiment, console, train)


def cross_validate_heads(
    data: TrainingData,
    settings: TrainingSettings,
    experiment: Experiment,
    console: SafeConsole,
    embed: Embed = embedded,
) -> Summary:
    """Fit and test a head for every fold that an earlier run has not finished.

    They take seconds each, so the folds are done in sequence by this process.

    Raises:
        UsageError, DatasetError: as `cross_validate`.
        ModelError: the encoder is unusable.
        EnrichmentError: the disk is full or refuses.
    """

    def fit(left: Sequence[int], pinned: TrainingSettings) -> Iterator[FoldResult]:
        kept = usable(data, pinned)
        check_trainable(kept, pinned)
        ready = embed(kept, pinned)
        groups = group_embedded(ready, cache_folder(experiment), console)
        assigned = assign(ready.data, groups, pinned, console)
        _write_begun(experiment, pinned, data, readable=ready.data, assigned=assigned)
        _print_pictures(ready.data, to=console)
        dimension = f": {ready.embeddings.shape[1]:,} numbers a picture"
        console.print(Text.assemble((pinned.encoder, "bold"), dimension), soft_wrap=True)
        return run_heads(
            left,
            HeadAssignment(ready=ready, assigned=assigned, settings=pinned, experiment=experiment),
        )

    return _cross_validate(data, settings, experiment, console, fit)


def _cross_validate(
    data: TrainingData,
    settings: TrainingSettings,
    experiment: Experiment,
    console: SafeConsole,
    train: Callable[[Sequence[int], TrainingSettings], Iterator[FoldResult]],
) -> Summary:
    settings = settings.pinned()
    with experiment.claimed():
        experiment.check_unchanged(settings, data)
        left = [number for number in range(settings.folds) if not experiment.is_finished(number)]
        if left:
            for result in train(left, settings):
                console.print(_line(result), highlight=False)
        else:
            console.print(f"Experiment {experiment.name} is complete; nothing left to train.")
        summary = summarise(experiment)
        write_summary(experiment, summary)
    return summary


def _begin(assignment: Assignment, console: SafeConsole) -> None:
    data, settings, experiment = assignment.data, assignment.settings, assignment.experiment
    _, weights = start_classifier(settings, classes=len(data.categories), fold=0)
    prepared = prepare(data, settings, cache_folder(experiment), console)
    readable = prepared.cached.data
    _write_begun(experiment, settings, data, readable=readable, assigned=prepared)
    _print_pictures(readable, to=console)
    network = (settings.architecture, "bold")
    at = f" at {settings.input_size} px; weights: {weights or 'at random'}"
    console.print(Text.assemble(network, at), soft_wrap=True)


def _write_begun(
    experiment: Experiment,
    settings: TrainingSettings,
    data: TrainingData,
    *,
    readable: TrainingData,
    assigned: Assigned,
) -> None:
    experiment.begin(settings, data)
    experiment.write_splits(readable, assigned.folds)
    write_near_duplicates(assigned.near_duplicates, experiment.folder / "near_duplicates.csv")


def _print_pictures(data: TrainingData, *, to: SafeConsole) -> None:
    counts = zip(data.categories, data.counts, strict=True)
    listed = ", ".join(f"{category} {count:,}" for category, count in counts)
    pictures = Text.assemble((data.source, "bold"), f": {len(data.examples):,} pictures ({listed})")
    to.print(pictures, soft_wrap=True)


def _line(result: FoldResult) -> str:
    how = f"best of {result.epochs} epochs: {result.best_epoch}"
    if result.strength is not None:
        how = f"strength {result.strength:g}"
    return (
        f"Fold {result.fold + 1}: accuracy {result.test.accuracy:.3f}, "
        f"macro F1 {result.test.f1:.3f} on {result.test.examples:,} pictures; {how}"
    )
