"""The cross-validation: prepare the data, train every fold that is not finished, sum up."""

import torch
from rich.console import Console
from rich.markup import escape

from common.progress import progress
from common.vision.runtimes import pick_device
from trainer.cache import CachedData, cached
from trainer.config import TrainingConfig
from trainer.dataset import TrainingData, check_trainable
from trainer.experiment import Experiment, FoldResult
from trainer.fold_files import finish_fold
from trainer.folds import Fold, make_folds
from trainer.summary import Summary, summarise, write_summary
from trainer.training import Epoch, FoldData, start_classifier, train_fold

CACHE = ".cache"  # beside the experiments, which share it
SHOWN_KEYS = 3  # of what is left out


def cross_validate(
    data: TrainingData, config: TrainingConfig, experiment: Experiment, console: Console
) -> Summary:
    """Train and test every fold, or those that are left of an earlier run.

    Raises:
        UsageError: the experiment was begun with other settings or data, or is being trained.
        DatasetError: the data cannot be trained on.
        ModelError: the weights to start from are unusable.
    """
    with experiment.claimed():
        experiment.check_unchanged(config, data)
        left = [number for number in range(config.folds) if not experiment.is_finished(number)]
        if left:
            _train(left, data, config, experiment, console)
        else:
            console.print(f"Experiment {experiment.name} is complete; nothing left to train.")
        summary = summarise([experiment.result(number) for number in range(config.folds)])
        write_summary(experiment, summary)
    return summary


def _train(
    left: list[int],
    data: TrainingData,
    config: TrainingConfig,
    experiment: Experiment,
    console: Console,
) -> None:
    check_trainable(data, config.folds)
    _, weights = start_classifier(config, classes=len(data.categories), fold=0)
    ready = cached(data, config.preprocessing, experiment.folder.parent / CACHE)
    check_trainable(ready.data, config.folds)
    folds = make_folds(
        [example.label for example in ready.data.examples],
        [example.sha256 for example in ready.data.examples],
        folds=config.folds,
        seed=config.seed,
    )
    experiment.begin(config, data)
    experiment.write_splits(ready.data, folds)
    device = pick_device()
    _print_start(ready.data, config, weights=str(weights or "at random"), to=console)
    for number in left:
        result = _train_fold(folds[number], ready, config, experiment, device)
        console.print(_line(result), highlight=False)


def _train_fold(
    fold: Fold,
    ready: CachedData,
    config: TrainingConfig,
    experiment: Experiment,
    device: torch.device,
) -> FoldResult:
    folder = experiment.split(fold.number)
    labels = torch.tensor([example.label for example in ready.data.examples])
    classes = len(ready.data.categories)
    with progress(f"Fold {fold.number + 1} of {config.folds}, epochs", config.epochs) as report:

        def show(epoch: Epoch) -> None:
            report.advance(
                note=f"validation loss {epoch.validation_loss:.3f}, "
                f"accuracy {epoch.validation_accuracy:.3f}"
            )

        state = train_fold(
            FoldData(pictures=ready.pictures, labels=labels, classes=classes, fold=fold),
            config,
            device=device,
            resume=folder / "resume.pth",
            on_epoch=show,
        )
    result = finish_fold(experiment, state, ready, fold, config)
    (folder / "resume.pth").unlink(missing_ok=True)
    return result


def _print_start(data: TrainingData, config: TrainingConfig, *, weights: str, to: Console) -> None:
    counts = zip(data.categories, data.counts, strict=True)
    listed = ", ".join(f"{category} {count:,}" for category, count in counts)
    source = escape(data.source)
    to.print(f"[bold]{source}[/]: {len(data.examples):,} pictures ({listed})", soft_wrap=True)
    for left_out in data.left_out:
        more = ", ..." if len(left_out.keys) > SHOWN_KEYS else ""
        keys = ", ".join(left_out.keys[:SHOWN_KEYS])
        to.print(
            f"  left out: {len(left_out.keys):,} x {left_out.reason}: {keys}{more}", markup=False
        )
    network = f"{config.architecture}[/] at {config.input_size} px"
    to.print(f"[bold]{network}; weights: {escape(weights)}", soft_wrap=True)


def _line(result: FoldResult) -> str:
    return (
        f"Fold {result.fold + 1}: accuracy {result.test.accuracy:.3f}, "
        f"macro F1 {result.test.f1:.3f} on {result.test.examples:,} pictures; "
        f"best of {result.epochs} epochs: {result.best_epoch}"
    )
