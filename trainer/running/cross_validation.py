"""The cross-validation: prepare the data, do every unfinished fold, summarise, record it."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.text import Text
from sqlalchemy import Engine, delete
from sqlalchemy.dialects.postgresql import insert

from common.process.terminal.console import SafeConsole
from common.process.terminal.progress import ProgressReport, progress
from common.store.tables import Checkpoint, TrainingRun
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
from trainer.learning.head import Points
from trainer.learning.training_state import Epoch
from trainer.report.page import write_summary
from trainer.running.fold import Assignment, cache_folder, run_fold
from trainer.running.head_fold import HeadAssignment, run_heads
from trainer.running.left_out import run_left_out
from trainer.scoring.metrics import Summary, members_of
from trainer.settings import TrainingSettings

Way = Callable[[Sequence[int], Assignment], Iterator[FoldResult]]
"""How folds are trained: in sequence, side by side, or by other machines."""

Embed = Callable[[TrainingData, TrainingSettings], EmbeddedData]
"""Where the embeddings of data come from."""


def run_in_sequence(numbers: Sequence[int], assignment: Assignment) -> Iterator[FoldResult]:
    """Train folds of an experiment one after the other, and yield each result.

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
    *,
    labels: Mapping[str, str] | None = None,
) -> Summary:
    """Train and test every fold that an earlier run has not finished, and write the report.

    Args:
        labels: the names of categories in the report; a category without one keeps its own.

    Raises:
        UsageError: the experiment began with other settings or data, or another process trains it.
        DatasetError: the data cannot be trained on.
        ModelError: the weights to start from cannot be used.
        EnrichmentError: a fold failed.
    """
    settings = settings.pinned()
    with experiment.claimed():
        if left := _unfinished(data, settings, experiment, console):
            assignment = Assignment(data=data, settings=settings, experiment=experiment)
            _begin(assignment, console)
            _print_results(way(left, assignment), console)
        return write_summary(experiment, labels)


def cross_validate_heads(
    data: TrainingData,
    settings: TrainingSettings,
    experiment: Experiment,
    console: SafeConsole,
    embed: Embed = embedded,
    *,
    labels: Mapping[str, str] | None = None,
) -> Summary:
    """Fit and test a head for every fold that an earlier run has not finished.

    If the data allows it, other heads are tested on providers that they did not learn from. Each
    takes seconds, so this process does the folds in sequence. `labels` as for `cross_validate`.

    Raises:
        UsageError, DatasetError: as `cross_validate`.
        ModelError: the encoder cannot be used.
        EnrichmentError: the disk is full or cannot be written to.
    """
    with experiment.claimed():
        if left := _unfinished(data, settings, experiment, console):
            assignment = _begin_heads(data, settings, experiment, console, embed)
            run_left_out(assignment, console)
            _print_results(run_heads(left, assignment), console)
        return write_summary(experiment, labels)


def _unfinished(
    data: TrainingData, settings: TrainingSettings, experiment: Experiment, console: SafeConsole
) -> list[int]:
    experiment.check_unchanged(settings, data)
    left = [number for number in range(settings.folds) if not experiment.is_finished(number)]
    if not left:
        console.print(f"Experiment {experiment.name} is complete; there is nothing left to train.")
    return left


def _begin_heads(
    data: TrainingData,
    settings: TrainingSettings,
    experiment: Experiment,
    console: SafeConsole,
    embed: Embed,
) -> HeadAssignment:
    kept = usable(data, settings)
    check_trainable(kept, settings)
    ready = embed(kept, settings)
    groups = group_embedded(ready, cache_folder(experiment), console)
    assigned = assign(ready.data, groups, settings, console)
    _write_begun(experiment, settings, data, readable=ready.data, assigned=assigned)
    _print_pictures(ready.data, to=console)
    dimension = f": {ready.embeddings.shape[1]:,} numbers a picture"
    console.print(Text.assemble((settings.encoder, "bold"), dimension), soft_wrap=True)
    return HeadAssignment(
        ready=ready,
        points=Points.of(ready.embeddings),
        assigned=assigned,
        settings=settings,
        experiment=experiment,
    )


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


def _print_results(results: Iterator[FoldResult], console: SafeConsole) -> None:
    for result in results:
        how = f"best of {result.epochs} epochs: {result.best_epoch}"
        if result.strength is not None:
            how = f"strength {result.strength:g}"
        line = (
            f"Fold {result.fold + 1}: accuracy {result.test.accuracy:.3f}, "
            f"macro F1 {result.test.f1:.3f} on {result.test.examples:,} pictures; {how}"
        )
        console.print(line, highlight=False)


def record_run(
    engine: Engine, experiment: Experiment, summary: Summary, *, fingerprint: str
) -> None:
    """Record a finished cross-validation in the store, or replace its record.

    Args:
        fingerprint: that of the training data.
    """
    values = {
        "config": experiment.settings().model_dump(),
        "dataset_fingerprint": fingerprint,
        "metrics": members_of(summary),
    }
    checkpoints = [
        {
            "fold": result.fold,
            "path": str((experiment.split(result.fold) / "checkpoint.pth").resolve()),
            "sha256": result.checkpoint_sha256,
            "metrics": members_of(result.test),
        }
        for result in experiment.results()
    ]
    with engine.begin() as connection:
        run_id = connection.scalar(
            insert(TrainingRun)
            .values(name=experiment.name, **values)
            .on_conflict_do_update(index_elements=[TrainingRun.name], set_=values)
            .returning(TrainingRun.id)
        )
        connection.execute(delete(Checkpoint).where(Checkpoint.run_id == run_id))
        connection.execute(insert(Checkpoint), [{"run_id": run_id, **row} for row in checkpoints])
