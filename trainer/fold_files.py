"""What one trained fold leaves in its folder, `metrics.json` last."""

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from common.files import write_atomically
from common.vision.heatmap import has_heatmaps
from trainer.cache import CachedData
from trainer.config import TrainingConfig
from trainer.experiment import Experiment, FoldResult, Predictions, write_table
from trainer.folds import Fold
from trainer.gallery import choose_exhibits, write_gallery
from trainer.metrics import measure
from trainer.plots import plot_history
from trainer.training import Epoch, TrainingState, predict_logits


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
    write_atomically(folder / "class_index.json", _class_index(data.categories))
    write_atomically(folder / "conf.json", config.to_json())
    _write_history(folder, state.history)
    predictions = _test(state.classifier, cached, fold, config)
    experiment.write_predictions(fold.number, predictions, data)
    if has_heatmaps(state.classifier):
        write_gallery(
            folder / "heatmaps",
            choose_exhibits(predictions, data.categories),
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
        test=measure(predictions.labels, predictions.probabilities, data.categories),
    )
    experiment.write_result(result)
    return result


def _write_checkpoint(path: Path, classifier: nn.Module) -> str:
    buffer = io.BytesIO()
    torch.save({name: t.cpu() for name, t in classifier.state_dict().items()}, buffer)
    write_atomically(path, buffer.getbuffer())
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def _class_index(categories: tuple[str, ...]) -> str:
    return json.dumps(dict(enumerate(categories)), indent=2)


def _write_history(folder: Path, history: list[Epoch]) -> None:
    lines = [asdict(epoch) for epoch in history]
    write_table(folder / "history.csv", [list(lines[0]), *(list(x.values()) for x in lines)])
    plot_history(folder / "history.png", history)


def _test(
    classifier: nn.Module, cached: CachedData, fold: Fold, config: TrainingConfig
) -> Predictions:
    logits = predict_logits(classifier, cached.pictures, fold.test, config)
    examples = [cached.data.examples[i] for i in fold.test]
    return Predictions(
        keys=tuple(example.key for example in examples),
        labels=torch.tensor([example.label for example in examples]).numpy(),
        probabilities=logits.softmax(1).numpy(),
    )
