"""One fold, from its pictures to its finished files.

All that must be known is on disk once a cross-validation is begun, so any process can run a fold.
`metrics.json` is written last: a fold that has it is finished.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from common.errors import EnrichmentError
from common.files import write_atomically
from trainer.data.cache import CachedData
from trainer.data.dataset import TrainingData
from trainer.data.prepare import decoded
from trainer.data.split import Fold, Indices
from trainer.experiment import Experiment, FoldResult
from trainer.learning.fit import FoldData, predict_logits, train_fold
from trainer.learning.state import Epoch, TrainingState
from trainer.report.gallery import choose_exhibits, write_gallery
from trainer.report.plots import write_history
from trainer.scoring.metrics import measure
from trainer.scoring.predictions import Predictions
from trainer.settings import TrainingConfig

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


def finish_fold(
    experiment: Experiment,
    state: TrainingState,
    cached: CachedData,
    fold: Fold,
    config: TrainingConfig,
) -> FoldResult:
    """Test a trained fold and write all its files."""
    folder = experiment.split(fold.number)
    data = cached.data
    sha256 = _write_checkpoint(folder / "checkpoint.pth", state.classifier)
    class_index = json.dumps(dict(enumerate(data.categories)), indent=2)
    write_atomically(folder / "class_index.json", class_index)
    write_atomically(folder / "conf.json", config.to_json())
    write_history(folder, state.history)
    test = _predict(state.classifier, cached, fold.test, config)
    validation = _predict(state.classifier, cached, fold.validation, config)
    experiment.write_predictions(fold.number, test=test, validation=validation, data=data)
    write_gallery(
        folder / "heatmaps",
        choose_exhibits(test, data.categories, data.kind),
        state.classifier,
        cached.pictures[torch.from_numpy(fold.test)],
        config.preprocessing,
    )
    result = FoldResult(
        fold=fold.number,
        checkpoint_sha256=sha256,
        best_epoch=state.best_epoch.number,
        epochs=len(state.history),
        validation_loss=state.best_epoch.validation_loss,
        test=measure(test.targets, test.probabilities, data.categories, data.kind),
    )
    experiment.write_result(result)
    return result


def _write_checkpoint(path: Path, classifier: nn.Module) -> str:
    buffer = io.BytesIO()
    torch.save({name: t.cpu() for name, t in classifier.state_dict().items()}, buffer)
    write_atomically(path, buffer.getbuffer())
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def _predict(
    classifier: nn.Module, cached: CachedData, part: Indices, config: TrainingConfig
) -> Predictions:
    logits = predict_logits(classifier, cached.pictures, part, config)
    data = cached.data
    probabilities = logits.softmax(1) if data.kind == "single" else logits.sigmoid()
    return Predictions(
        keys=tuple(data.examples[i].key for i in part),
        targets=data.targets[part],
        probabilities=probabilities.numpy(),
    )


@contextmanager
def explaining_memory(config: TrainingConfig, device: torch.device) -> Iterator[None]:
    """Say in words of our own that the memory is too small for a batch.

    Raises:
        EnrichmentError: it is.
    """
    try:
        yield
    except RuntimeError as error:  # of a CPU, PyTorch says it only in words
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        raise EnrichmentError(
            f"The memory of {device} is too small for batches of {config.batch_size} pictures of "
            f"{config.input_size} px; try a lower --batch-size under another --experiment-name."
        ) from None
