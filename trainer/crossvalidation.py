"""The cross-validation: prepare the data, train every fold that is not finished, sum up."""

from collections.abc import Iterator, Sequence

import torch
from rich.console import Console
from rich.markup import escape

from common.progress import ProgressReport, progress
from common.vision.runtimes import pick_device
from trainer.config import TrainingConfig
from trainer.data_report import write_twins
from trainer.dataset import TrainingData
from trainer.experiment import Experiment, FoldResult
from trainer.fold_run import cache_folder, run_fold
from trainer.preparation import Prepared, prepare
from trainer.results import Summary
from trainer.side_by_side import Assignment, run_side_by_side
from trainer.state import Epoch
from trainer.summary import summarise, write_summary
from trainer.training import start_classifier


def cross_validate(
    data: TrainingData,
    config: TrainingConfig,
    experiment: Experiment,
    console: Console,
    devices: Sequence[torch.device] = (),
) -> Summary:
    """Train and test every fold, or those that are left of an earlier run.

    Several `devices` train folds side by side; without any, the best one there is trains them all.

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
            _train(left, data, config, experiment, console, devices or [pick_device()])
        else:
            console.print(f"Experiment {experiment.name} is complete; nothing left to train.")
        summary = summarise(experiment)
        write_summary(experiment, summary)
    return summary


def _train(
    left: list[int],
    data: TrainingData,
    config: TrainingConfig,
    experiment: Experiment,
    console: Console,
    devices: Sequence[torch.device],
) -> None:
    _, weights = start_classifier(config, classes=len(data.categories), fold=0)
    prepared = prepare(data, config, cache_folder(experiment), console)
    experiment.begin(config, data)
    experiment.write_splits(prepared.cached.data, prepared.folds)
    write_twins(prepared.twins, experiment.folder / "twins.csv")
    _print_start(prepared.cached.data, config, weights=str(weights or "at random"), to=console)
    if len(devices) == 1:
        results = _in_sequence(left, prepared, config, experiment, devices[0])
    else:
        threads = max(1, torch.get_num_threads() // len(devices))
        task = Assignment(data=data, config=config, experiment=experiment, threads=threads)
        results = _side_by_side(left, task, devices)
    for result in results:
        console.print(_line(result), highlight=False)


def _in_sequence(
    left: Sequence[int],
    prepared: Prepared,
    config: TrainingConfig,
    experiment: Experiment,
    device: torch.device,
) -> Iterator[FoldResult]:
    for number in left:
        with progress(f"Fold {number + 1} of {config.folds}, epochs", config.all_epochs) as report:

            def show(epoch: Epoch, report: ProgressReport = report) -> None:
                report.advance(note=_note(epoch))

            fold = prepared.folds[number]
            result = run_fold(
                fold, prepared.cached, config, experiment, device=device, on_epoch=show
            )
        yield result


def _side_by_side(
    left: Sequence[int], assignment: Assignment, devices: Sequence[torch.device]
) -> Iterator[FoldResult]:
    with progress("Epochs", len(left) * assignment.config.all_epochs) as report:

        def show(fold: int, epoch: Epoch) -> None:
            report.advance(note=f"fold {fold + 1}: {_note(epoch)}")

        yield from run_side_by_side(left, assignment, devices, show)


def _note(epoch: Epoch) -> str:
    return f"validation loss {epoch.validation_loss:.3f}, accuracy {epoch.validation_accuracy:.3f}"


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
