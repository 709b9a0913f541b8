"""One fold from its pictures to its finished files; whoever runs it knows only where and which.

What must be known is on disk once a cross-validation is begun, so that any process can run a fold.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.data.cache import CachedData
from trainer.data.dataset import TrainingData
from trainer.data.prepare import decoded
from trainer.folds.experiment import Experiment, FoldResult
from trainer.folds.fold_files import finish_fold
from trainer.folds.split import Fold
from trainer.learning.fit import FoldData, train_fold
from trainer.learning.memory import explaining_memory
from trainer.learning.settings import TrainingConfig
from trainer.learning.state import Epoch, TrainingState

RESUME = "resume.pth"  # beside the files of the fold, while it is trained
CACHE = ".cache"  # beside the experiments, which share it


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What the folds of a begun cross-validation have in common; `data` as before `prepare`."""

    data: TrainingData
    config: TrainingConfig
    experiment: Experiment


def cache_folder(experiment: Experiment) -> Path:
    """Where decoded pictures are kept for an experiment and its neighbours."""
    return experiment.folder.parent / CACHE


def run_fold(
    number: int,
    assignment: Assignment,
    *,
    device: torch.device,
    on_epoch: Callable[[Epoch], None],
) -> FoldResult:
    """Train and test one fold, or go on where an earlier run was stopped.

    Raises:
        ClaimedError: another process trains it.
        ModelError: other pictures can be read here than were when the data was divided.
        EnrichmentError: as `train_fold`, or the memory is too small.
    """
    experiment, config = assignment.experiment, assignment.config
    fold, ready = _open(number, assignment)
    with experiment.claimed(number), explaining_memory(config, device):
        state = _train(fold, ready, assignment, device=device, on_epoch=on_epoch)
        result = finish_fold(experiment, state, ready, fold, config)
        _resume(experiment, number).unlink(missing_ok=True)
    return result


def help_with_fold(number: int, assignment: Assignment, *, device: torch.device) -> None:
    """Train a fold together with the process that leads, which writes its files.

    Raises:
        EnrichmentError: as `run_fold`.
    """
    fold, ready = _open(number, assignment)
    with explaining_memory(assignment.config, device):
        _train(fold, ready, assignment, device=device, on_epoch=lambda epoch: None)


def _open(number: int, assignment: Assignment) -> tuple[Fold, CachedData]:
    experiment = assignment.experiment
    ready = decoded(assignment.data, assignment.config, cache_folder(experiment))
    return experiment.fold(number, ready.data.examples), ready


def _train(
    fold: Fold,
    ready: CachedData,
    assignment: Assignment,
    *,
    device: torch.device,
    on_epoch: Callable[[Epoch], None],
) -> TrainingState:
    config = assignment.config
    data = FoldData(
        pictures=ready.pictures,
        targets=torch.from_numpy(ready.data.targets).float(),
        kind=config.kind,
        fold=fold,
    )
    resume = _resume(assignment.experiment, fold.number)
    return train_fold(data, config, device=device, resume=resume, on_epoch=on_epoch)


def _resume(experiment: Experiment, number: int) -> Path:
    return experiment.split(number) / RESUME
