"""One fold, from its pictures to its finished files.

When a cross-validation has begun, its folder has all that a fold needs, so any process can run it.
`metrics.json` is written last: a fold that has it is finished.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from common.errors import EnrichmentError, ModelError
from common.files import write_atomically
from common.vision.answers.heads import Embeddings
from common.vision.answers.likeness import MOST_REFERENCES, halved_if_any
from common.vision.network import FeaturesToo, is_out_of_memory
from trainer.data.cache import CachedData
from trainer.data.dataset import TrainingData
from trainer.data.prepare import decoded
from trainer.data.split import Fold, Indices
from trainer.experiment import Experiment, FoldResult
from trainer.learning.fit import FoldData, predict_logits, train_fold
from trainer.learning.training_state import Epoch, TrainingState
from trainer.report.gallery import choose_exhibits, write_gallery
from trainer.report.plots import write_history
from trainer.scoring.evidence import Evidence, Likenesses, measure_likenesses, write_evidence
from trainer.scoring.metrics import measure
from trainer.scoring.predictions import Predictions
from trainer.settings import TrainingSettings

RESUME = "resume.pth"  # beside the files of the fold, while it is trained
CACHE = ".cache"  # beside the experiments, which share it


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What all folds of a cross-validation need; `data` is as it was before `prepare`."""

    data: TrainingData
    settings: TrainingSettings
    experiment: Experiment


def cache_folder(experiment: Experiment) -> Path:
    """The folder of decoded pictures, which an experiment shares with its neighbours."""
    return experiment.folder.parent / CACHE


def run_fold(
    number: int,
    assignment: Assignment,
    *,
    device: torch.device,
    on_epoch: Callable[[Epoch], None],
) -> FoldResult:
    """Train and test one fold, or continue where an earlier run stopped.

    Raises:
        ClaimedError: another process trains it.
        ModelError: the readable pictures here differ from those of the fold assignment.
        EnrichmentError: as `train_fold`, or the memory is too small.
    """
    experiment, settings = assignment.experiment, assignment.settings
    ready = decoded(assignment.data, settings, cache_folder(experiment))
    fold = experiment.fold(number, ready.data.examples)
    resume = experiment.split(number) / RESUME
    with experiment.claimed(number), explaining_memory(settings, device):
        data = FoldData(
            pictures=ready.pictures,
            targets=torch.from_numpy(ready.data.targets).float(),
            kind=settings.kind,
            fold=fold,
        )
        state = train_fold(data, settings, device=device, resume=resume, on_epoch=on_epoch)
        result = finish_fold(experiment, state, ready, fold, settings)
        resume.unlink(missing_ok=True)
    return result


def finish_fold(
    experiment: Experiment,
    state: TrainingState,
    cached: CachedData,
    fold: Fold,
    settings: TrainingSettings,
) -> FoldResult:
    folder = experiment.split(fold.number)
    data = cached.data
    sha256 = write_checkpoint(folder, state.classifier.state_dict(), data, settings)
    write_history(folder, state.history)
    test = _predict(state.classifier, cached, fold.test, settings)
    validation = _predict(state.classifier, cached, fold.validation, settings)
    experiment.write_predictions(fold.number, test=test, validation=validation, data=data)
    likenesses = _likenesses(state.classifier, cached, fold, settings)
    write_evidence(folder, Evidence(likenesses=likenesses))
    write_gallery(
        folder / "heatmaps",
        choose_exhibits(test, data.categories, data.kind),
        state.classifier,
        cached.pictures[torch.from_numpy(fold.test)],
        settings.preprocessing,
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


def write_checkpoint(
    folder: Path, state: Mapping[str, torch.Tensor], data: TrainingData, settings: TrainingSettings
) -> str:
    """Write the weights of a fold, and beside them its labels and settings.

    Returns:
        The sha256 of the checkpoint.
    """
    class_index = json.dumps(dict(enumerate(data.categories)), indent=2)
    write_atomically(folder / "class_index.json", class_index)
    write_atomically(folder / "conf.json", settings.to_json())
    buffer = io.BytesIO()
    torch.save({name: t.cpu() for name, t in state.items()}, buffer)
    write_atomically(folder / "checkpoint.pth", buffer.getbuffer())
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def _predict(
    classifier: nn.Module, cached: CachedData, part: Indices, settings: TrainingSettings
) -> Predictions:
    logits = predict_logits(classifier, cached.pictures, part, settings)
    return predictions_of(logits, part, cached.data)


def _likenesses(
    classifier: nn.Module, cached: CachedData, fold: Fold, settings: TrainingSettings
) -> Likenesses | None:
    try:
        body = FeaturesToo(deepcopy(classifier)).body
    except ModelError:
        return None

    def features(part: Indices) -> Embeddings:
        return halved_if_any(predict_logits(body, cached.pictures, part, settings).numpy())

    few = np.random.default_rng(fold.number).permutation(fold.training)[:MOST_REFERENCES]
    learned = features(np.sort(few))
    learned = learned[learned.any(axis=1)]  # zeros have no direction to compare
    return measure_likenesses(
        learned,
        features(fold.test),
        [(features(fold.validation), learned)],
        whole=len(learned),
        seed=fold.number,
    )


def predictions_of(logits: torch.Tensor, part: Indices, data: TrainingData) -> Predictions:
    """The predictions for a part of the data, from its logits (len(part), classes)."""
    probabilities = logits.softmax(1) if data.kind == "single" else logits.sigmoid()
    return Predictions(
        keys=tuple(data.examples[i].key for i in part),
        targets=data.targets[part],
        probabilities=probabilities.numpy(),
    )


@contextmanager
def explaining_memory(settings: TrainingSettings, device: torch.device) -> Iterator[None]:
    """Turn PyTorch's errors about memory into an error for the user.

    Raises:
        EnrichmentError: the memory is too small for a batch.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise EnrichmentError(
            f"The memory of {device} is too small for batches of {settings.batch_size} pictures of "
            f"{settings.input_size} px; try a lower --batch-size under another --experiment-name."
        ) from error
