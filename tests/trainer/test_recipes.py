"""Recipes."""

from trainer.config import IMAGENET
from trainer.recipes import FINE_TUNING, FROM_SCRATCH, recipe


def test_what_the_training_starts_from_decides_the_recipe() -> None:
    assert recipe("none") == FROM_SCRATCH
    assert recipe(IMAGENET) == FINE_TUNING
    assert recipe("file.pth").differences(FINE_TUNING) == ["weights imagenet instead of file.pth"]
