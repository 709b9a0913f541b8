"""Training of one fold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import EnrichmentError
from common.vision.classifier import build_classifier
from tests.trainer.pictures import draw
from trainer import training
from trainer.batches import class_weights
from trainer.config import TrainingConfig
from trainer.folds import Fold
from trainer.training import Epoch, FoldData, TrainingState, predict_logits, train_fold

CONFIG = TrainingConfig(
    architecture="shufflenet_v2_x0_5", input_size=32, epochs=3, batch_size=8, folds=2
)
CPU = torch.device("cpu")


@pytest.fixture
def data() -> FoldData:
    """40 pictures of two categories: 20 for training, 10 for validation, 10 for the test."""
    labels = torch.tensor([0, 1] * 20)
    pictures = [
        CONFIG.preprocessing.to_uint8(draw(("map", "toy")[label], seed))
        for seed, label in enumerate(labels.tolist())
    ]
    fold = Fold(
        number=0,
        training=np.arange(20),
        validation=np.arange(20, 30),
        test=np.arange(30, 40),
    )
    return FoldData(pictures=torch.stack(pictures), labels=labels, classes=2, fold=fold)


def _train(data: FoldData, folder: Path, config: TrainingConfig = CONFIG) -> TrainingState:
    epochs: list[Epoch] = []
    state = train_fold(
        data, config, device=CPU, resume=folder / "resume.pth", on_epoch=epochs.append
    )
    assert epochs == state.history
    return state


def test_the_same_seed_gives_the_same_numbers(data: FoldData, tmp_path: Path) -> None:
    one, same = (_train(data, tmp_path / name).history for name in ("one", "same"))
    other = _train(data, tmp_path / "other", replace(CONFIG, seed=1)).history
    assert one == same
    assert one != other


def test_a_resumed_training_ends_with_the_same_numbers(data: FoldData, tmp_path: Path) -> None:
    undisturbed = _train(data, tmp_path / "undisturbed")

    class KilledError(Exception):
        pass

    def kill(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KilledError

    with pytest.raises(KilledError):
        train_fold(data, CONFIG, device=CPU, resume=tmp_path / "k" / "resume.pth", on_epoch=kill)
    assert (tmp_path / "k" / "resume.pth").exists()
    resumed = _train(data, tmp_path / "k")
    assert resumed.history == undisturbed.history
    for name, tensor in undisturbed.best.items():
        assert torch.equal(resumed.best[name], tensor), name


def test_the_best_weights_are_kept_and_training_stops_by_patience(
    data: FoldData, tmp_path: Path
) -> None:
    config = replace(CONFIG, epochs=30, patience=2, learning_rate=0.02)
    state = _train(data, tmp_path, config)
    assert len(state.history) == state.best_epoch.number + 2 < 30
    logits = predict_logits(state.classifier, data.pictures, data.fold.validation, config)
    labels = data.labels[20:30]
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    assert loss == pytest.approx(state.best_epoch.validation_loss, rel=1e-4)


def test_predictions_are_made_in_evaluation_mode_and_none_is_dropped(data: FoldData) -> None:
    classifier = build_classifier("shufflenet_v2_x0_5", classes=2).train()
    together = predict_logits(classifier, data.pictures, np.arange(33), CONFIG)
    one_by_one = [
        predict_logits(classifier, data.pictures, np.array([i]), CONFIG) for i in range(33)
    ]
    # In training mode batch norm would mix the pictures of a batch.
    assert together.shape == (33, 2)
    torch.testing.assert_close(together, torch.cat(one_by_one), rtol=1e-3, atol=1e-5)


def test_the_training_part_is_seen_in_training_mode(data: FoldData, tmp_path: Path) -> None:
    start = build_classifier("shufflenet_v2_x0_5", classes=2).state_dict()
    state = _train(data, tmp_path, replace(CONFIG, epochs=1))
    counted = state.best["conv1.1.num_batches_tracked"]
    assert counted == start["conv1.1.num_batches_tracked"] + 3  # 20 pictures by 8


def test_a_rare_category_gains_because_its_weight_follows_its_index(
    data: FoldData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = np.array([1, *range(0, 20, 2)])  # one toy among ten maps
    unbalanced = replace(data, fold=replace(data.fold, training=np.tile(rare, 4)))
    config = replace(CONFIG, epochs=4, image_augmentation=0.0, patience=4)

    def leaning_to_toys(folder: str) -> float:
        state = _train(unbalanced, tmp_path / folder, config)
        toys = predict_logits(state.classifier, data.pictures, np.arange(1, 40, 2), config)
        return float((toys[:, 1] - toys[:, 0]).mean())

    right = leaning_to_toys("right")
    monkeypatch.setattr(
        training, "class_weights", lambda labels, classes: class_weights(labels, classes).flip(0)
    )
    assert right > leaning_to_toys("swapped")


def test_a_loss_that_is_no_number_is_an_error_and_leaves_no_checkpoint(
    data: FoldData, tmp_path: Path
) -> None:
    weights = build_classifier("shufflenet_v2_x0_5", classes=2).state_dict()
    weights["conv1.0.weight"].fill_(float("nan"))
    torch.save(weights, tmp_path / "nan.pth")
    with pytest.raises(EnrichmentError, match="not a number"):
        _train(data, tmp_path, replace(CONFIG, weights=str(tmp_path / "nan.pth")))
    assert not (tmp_path / "resume.pth").exists()
