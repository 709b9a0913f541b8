"""What one trained fold leaves in its folder, `metrics.json` last."""

import hashlib
import io
import json
from pathlib import Path

import torch
from torch import nn

from common.files import write_atomically
from trainer.data.cache import CachedData
from trainer.folds.experiment import Experiment, FoldResult
from trainer.folds.split import Fold, Indices
from trainer.learning.fit import predict_logits
from trainer.learning.settings import TrainingConfig
from trainer.learning.state import TrainingState
from trainer.report.gallery import choose_exhibits, write_gallery
from trainer.report.history import write_history
from trainer.scoring.metrics import measure
from trainer.scoring.predictions import Predictions


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
