"""The settings of an experiment."""

import json
import os
from pathlib import Path

import pytest

from common.errors import ModelError, UsageError
from trainer.settings import TrainingSettings

OLD = """{
  "kind": "multi", "group_by": "picture", "architecture": "resnet18", "weights": "none",
  "weights_sha256": "", "input_size": 128, "resize": "squash", "start_scale": 1,
  "image_augmentation": 0.5, "mixup": 0, "folds": 10, "head_epochs": 0, "epochs": 100,
  "patience": 10, "batch_size": 32, "learning_rate": 1, "lowest_rate": 1.0,
  "class_weights": "none", "label_smoothing": 0.1, "ema": 0.0, "seed": 0
}"""
HEAD_OF_WEIGHTS = {  # what the recipe `head` once was: a network whose last layer alone is trained
    **{"weights": "features.pth", "weights_sha256": "0" * 64, "head_epochs": 10, "epochs": 0},
    **{"image_augmentation": 0.1, "patience": 8, "lowest_rate": 0.2},
}


def test_it_survives_its_file(tmp_path: Path) -> None:
    settings = TrainingSettings(architecture="resnet34", folds=3, learning_rate=5e-4)
    (tmp_path / "conf.json").write_text(settings.to_json())
    assert TrainingSettings.read(tmp_path / "conf.json") == settings


def test_a_file_of_an_older_version_is_read(tmp_path: Path) -> None:
    """It has all keys, and whole numbers where a fraction is possible."""
    (tmp_path / "conf.json").write_text(OLD)
    settings = TrainingSettings.read(tmp_path / "conf.json")
    assert (settings.kind, settings.mixup, settings.learning_rate) == ("multi", 0.0, 1.0)
    (tmp_path / "conf.json").write_text(json.dumps(json.loads(OLD) | HEAD_OF_WEIGHTS))
    settings = TrainingSettings.read(tmp_path / "conf.json")
    assert (settings.weights, settings.all_epochs, settings.encoder) == ("features.pth", 10, "")
    assert list(json.loads(settings.to_json())) == list(TrainingSettings.model_fields)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "several"}, "--mode must be single or multi."),
        ({"resize": "stretch"}, "--resize must be squash, letterbox or crop."),
        ({"folds": 1}, "--folds must be 2 or more."),
        ({"folds": 2.5}, "--folds must be 2 or more."),
        ({"epochs": 0}, "There is nothing to train: --epochs and --head-epochs are both 0."),
        ({"patience": 0}, "--patience must be 1 or more."),
        ({"batch_size": 1}, "--batch-size must be 4 or more."),
        ({"input_size": 16}, "--input-size must be 32 or more."),
        ({"image_augmentation": 1.5}, "--img-aug must be 0 to 1."),
        ({"learning_rate": 0.0}, "--learning-rate must be more than 0, at most 1."),
        ({"lowest_rate": 0.0}, "--lowest-rate must be more than 0, at most 1."),
        ({"start_scale": 1.5}, "--start-scale must be more than 0, at most 1."),
        ({"head_epochs": -1}, "--head-epochs must be 0 or more."),
        ({"mixup": 2.0}, "--mixup must be 0 to 1."),
        ({"label_smoothing": 1.0}, "--label-smoothing must be 0 or more, and less than 1."),
        ({"ema": 1.0}, "--ema must be 0 or more, and less than 1."),
        ({"seed": -1}, "--seed must be 0 or more."),
    ],
    ids=str,
)
def test_a_setting_out_of_range_is_a_usage_error_in_plain_words(
    wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        TrainingSettings().changed(**wrong)
    assert str(error.value) == message


def test_another_file_under_the_same_name_is_a_difference(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(b"one")
    settings = TrainingSettings(weights=str(file))
    pinned = settings.pinned()
    assert pinned.pinned() == pinned
    file.write_bytes(b"another")
    (difference,) = pinned.differences(settings.pinned())
    assert "weights_sha256" in difference
    assert TrainingSettings().pinned() == TrainingSettings()


def test_a_weight_file_that_cannot_be_read_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weight file .*gone\.pth"):
        TrainingSettings(weights=str(tmp_path / "gone.pth")).pinned()
    os.mkfifo(tmp_path / "pipe.pth")
    for path in (tmp_path, tmp_path / "pipe.pth"):
        with pytest.raises(ModelError, match="cannot be read: it is not a regular file"):
            TrainingSettings(weights=str(path)).pinned()


@pytest.mark.parametrize("content", ["", "[]", '{"folds": 1}', '{"folds": "2"}', '{"unknown": 1}'])
def test_a_damaged_file_is_a_model_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "conf.json").write_text(content)
    with pytest.raises(ModelError, match=r"conf\.json"):
        TrainingSettings.read(tmp_path / "conf.json")


def test_differences_are_told_in_words() -> None:
    settings = TrainingSettings()
    other = settings.changed(folds=3, seed=7)
    assert settings.differences(other) == ["folds 3 instead of 10", "seed 7 instead of 0"]
    assert settings.differences(settings) == []
