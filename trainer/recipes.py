"""Recipes: settings that go together, for training from nothing and for going on from weights.

Whoever gives weights has pictures that are few or a machine that is small, else they would not need
them. So fine-tuning is short: the new head first, then everything, the lower the more gently, with
stronger augmentation, since a few epochs on few pictures learn the museum rather than the object.
"""

from dataclasses import replace

from trainer.config import IMAGENET, NO_WEIGHTS, TrainingConfig

FROM_SCRATCH = TrainingConfig()
FINE_TUNING = TrainingConfig(
    weights=IMAGENET,
    head_epochs=2,
    epochs=8,
    patience=4,
    learning_rate=1e-3,
    lowest_rate=0.05,
)


def recipe(weights: str) -> TrainingConfig:
    """The settings for what a training starts from: none, imagenet, or a weight file."""
    return FROM_SCRATCH if weights == NO_WEIGHTS else replace(FINE_TUNING, weights=weights)
