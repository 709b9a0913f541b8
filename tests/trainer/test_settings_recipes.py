"""Recipes."""

import pytest

from common.errors import UsageError
from trainer.settings import FINE_TUNING, FROM_SCRATCH, HEAD_ALONE, IMAGENET, recipe


def test_what_the_training_starts_from_decides_the_recipe() -> None:
    assert recipe("none") == FROM_SCRATCH
    assert recipe(IMAGENET) == FINE_TUNING
    assert recipe("file.pth").differences(FINE_TUNING) == ["weights imagenet instead of file.pth"]


def test_one_that_is_asked_for_by_name_is_taken() -> None:
    assert recipe(IMAGENET, "head") == HEAD_ALONE
    assert recipe("file.pth", "scratch").differences(FROM_SCRATCH) == [
        "weights none instead of file.pth"
    ]


def test_one_that_goes_on_from_weights_needs_some() -> None:
    with pytest.raises(UsageError, match="--weights"):
        recipe("none", "head")
