"""Recipes."""

from typing import Any

import pytest

from common.errors import UsageError
from trainer.commands.recipes import FINE_TUNING, FROM_SCRATCH, RecipeName, is_of, settings_for
from trainer.settings import IMAGENET, TrainingSettings


def test_what_the_training_starts_from_decides_the_recipe() -> None:
    assert settings_for({}) == FROM_SCRATCH
    assert settings_for({"weights": IMAGENET}) == FINE_TUNING
    of_file = settings_for({"weights": "file.pth"})
    assert of_file.differences(FINE_TUNING) == ["weights imagenet instead of file.pth"]
    assert settings_for({"encoder": "tiny"}) == TrainingSettings(encoder="tiny")


def test_one_that_is_asked_for_by_name_is_taken() -> None:
    given = {"weights": "file.pth", "folds": 3}
    assert settings_for(given, "scratch").differences(FROM_SCRATCH) == [
        "weights none instead of file.pth",
        "folds 10 instead of 3",
    ]


def test_a_head_has_its_few_settings() -> None:
    given = {
        **{"encoder": "tiny", "drop_doubtful": True, "folds": 3, "seed": 1, "kind": "multi"},
        "class_weights": "sqrt",
    }
    assert settings_for(given, "head") == settings_for(given) == TrainingSettings(**given)


@pytest.mark.parametrize(
    ("given", "name", "message"),
    [
        ({}, "fine-tune", "starts from weights: give --weights"),
        ({}, "head", "head needs an encoder: --encoder NAME. To see"),
        ({"encoder": ""}, None, "needs an encoder: --encoder NAME"),
        ({"weights": IMAGENET}, "head", "recipe head takes no --weights"),
        ({"encoder": "tiny", "epochs": 3, "mixup": 0.2}, None, "takes no --epochs, --mixup: "),
        ({"encoder": "tiny", "image_augmentation": 0.5}, "head", "takes no --img-aug"),
        ({"encoder": "tiny", "group_by": "picture"}, None, "head takes no --group-by: it trains"),
        ({"encoder": "tiny"}, "scratch", "recipe scratch takes no --encoder; only"),
        ({"weights": IMAGENET, "drop_doubtful": True}, None, "fine-tune takes no --drop-do"),
        ({"encoder": "tiny", "folds": 1}, None, "--folds must be 2 or more"),
    ],
    ids=str,
)
def test_what_a_recipe_cannot_use_is_a_usage_error(
    given: dict[str, Any], name: RecipeName | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        settings_for(given, name)


def test_every_setting_is_of_some_recipe() -> None:
    names: tuple[RecipeName, ...] = ("scratch", "fine-tune", "head")
    for setting in TrainingSettings.model_fields:
        assert any(is_of(setting, name) for name in names)
