"""The settings of an experiment."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import ModelError, UsageError
from trainer.settings import TrainingConfig


def test_it_survives_its_file(tmp_path: Path) -> None:
    config = TrainingConfig(architecture="resnet34", folds=3, learning_rate=5e-4)
    (tmp_path / "conf.json").write_text(config.to_json())
    assert TrainingConfig.read(tmp_path / "conf.json") == config


@pytest.mark.parametrize(
    "wrong",
    [
        {"folds": 1},
        {"epochs": 0},
        {"patience": 0},
        {"batch_size": 1},
        {"input_size": 16},
        {"image_augmentation": 1.5},
        {"learning_rate": 0.0},
        {"lowest_rate": 0.0},
        {"start_scale": 1.5},
        {"head_epochs": -1},
        {"mixup": 2.0},
        {"label_smoothing": 1.0},
        {"ema": 1.0},
        {"seed": -1},
    ],
    ids=str,
)
def test_a_setting_out_of_range_is_a_usage_error(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong)).split("_")[-1]):
        TrainingConfig(**wrong)  # type: ignore[arg-type]


def test_another_file_under_the_same_name_is_a_difference(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(b"one")
    config = TrainingConfig(weights=str(file))
    pinned = config.pinned()
    assert pinned.pinned() == pinned
    file.write_bytes(b"another")
    (difference,) = pinned.differences(config.pinned())
    assert "weights_sha256" in difference
    assert TrainingConfig().pinned() == TrainingConfig()


def test_a_weight_file_that_cannot_be_read_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weight file .*gone\.pth"):
        TrainingConfig(weights=str(tmp_path / "gone.pth")).pinned()
    with pytest.raises(ModelError, match="cannot be read"):
        TrainingConfig(weights=str(tmp_path)).pinned()


@pytest.mark.parametrize("content", ["", "[]", '{"folds": 1}', '{"unknown": 1}'])
def test_a_damaged_file_is_a_model_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "conf.json").write_text(content)
    with pytest.raises(ModelError, match=r"conf\.json"):
        TrainingConfig.read(tmp_path / "conf.json")


def test_differences_are_told_in_words() -> None:
    config = TrainingConfig()
    other = replace(config, folds=3, seed=7)
    assert config.differences(other) == ["folds 3 instead of 10", "seed 7 instead of 0"]
    assert config.differences(config) == []
