"""One fold from its pictures to its finished files; whoever runs it knows only where and which."""

from collections.abc import Callable
from pathlib import Path

import torch

from trainer.cache import CachedData
from trainer.config import TrainingConfig
from trainer.experiment import Experiment, FoldResult
from trainer.fold_files import finish_fold
from trainer.folds import Fold
from trainer.state import Epoch
from trainer.training import FoldData, train_fold

RESUME = "resume.pth"  # beside the files of the fold, while it is trained
CACHE = ".cache"  # beside the experiments, which share it


def cache_folder(experiment: Experiment) -> Path:
    """Where decoded pictures are kept for an experiment and its neighbours."""
    return experiment.folder.parent / CACHE


def run_fold(
    fold: Fold,
    ready: CachedData,
    config: TrainingConfig,
    experiment: Experiment,
    *,
    device: torch.device,
    on_epoch: Callable[[Epoch], None],
) -> FoldResult:
    """Train and test one fold, or go on where an earlier run was stopped.

    Raises:
        EnrichmentError: as `train_fold`.
    """
    resume = experiment.split(fold.number) / RESUME
    data = FoldData(
        pictures=ready.pictures,
        targets=torch.from_numpy(ready.data.targets).float(),
        kind=config.kind,
        fold=fold,
    )
    state = train_fold(data, config, device=device, resume=resume, on_epoch=on_epoch)
    result = finish_fold(experiment, state, ready, fold, config)
    resume.unlink(missing_ok=True)
    return result
