"""What training data must have before it is trained on, said before the first picture is."""

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np

from common.errors import DatasetError, UsageError
from trainer.data.dataset import TrainingData
from trainer.folds.split import Fold, validation_parts
from trainer.learning.settings import TrainingConfig


def check_trainable(data: TrainingData, config: TrainingConfig) -> None:
    """Refuse data that a cross-validation cannot be run on.

    Raises:
        UsageError: the data is of another kind, or has fewer data providers than folds, if those
            are to be kept together.
        DatasetError: fewer than two categories, one that every picture has, or one with too few
            different pictures or from one provider only.
    """
    if data.kind != config.kind:
        raise UsageError(
            f"{data.source} is read as {data.kind}-label data, which --mode {config.kind} cannot "
            "use; several labels for one picture need a dataset of the store: --name."
        )
    if len(data.categories) < 2:
        raise DatasetError(
            f"{data.source} has {len(data.categories)} category; a classifier needs at least two."
        )
    if config.group_by == "provider":
        _check_providers(data, config.folds)
    else:
        _check_pictures(data, config.folds)
    _check_tells_apart(data)


def check_folds(data: TrainingData, folds: list[Fold], config: TrainingConfig) -> None:
    """Refuse folds in which a category cannot be learned, chosen by or, where it must be, tested.

    Raises:
        DatasetError: names the category, the fold and the part.
    """
    targets = data.targets
    for fold in folds:
        parts = {"training": fold.training, "validation": fold.validation}
        if config.group_by == "picture":
            parts["test"] = fold.test
        for name, part in parts.items():
            missing = np.flatnonzero(~targets[part].any(axis=0))
            if len(missing):
                raise DatasetError(
                    f"Fold {fold.number + 1} of {config.folds} has no picture of "
                    f"{_listed(data, missing)} for {name}: too few, or too many of them alike, "
                    "since near-duplicates stay together. Take fewer folds, or add pictures."
                )


def examples_needed(folds: int) -> int:
    """How many different pictures a category needs to be in every part of every fold."""
    needed = folds
    while needed - math.ceil(needed / folds) < validation_parts(folds):
        needed += 1
    return needed


def _check_pictures(data: TrainingData, folds: int) -> None:
    different = {(label, example.sha256) for example in data.examples for label in example.labels}
    found = Counter(label for label, _ in different)
    needed = examples_needed(folds)
    short = [
        f"{category} ({found[label]})"
        for label, category in enumerate(data.categories)
        if found[label] < needed
    ]
    if short:
        raise DatasetError(
            f"{folds} folds need {needed} different pictures a category; too few in "
            f"{data.source}: {', '.join(short)}. Take fewer folds, or add pictures."
        )


def _check_providers(data: TrainingData, folds: int) -> None:
    providers = {example.provider for example in data.examples} - {""}
    if not providers:
        raise UsageError(f"{data.source} has no data providers; take --group-by picture.")
    if len(providers) < folds:
        raise UsageError(
            f"{data.source} has {len(providers)} data providers, too few for {folds} folds by "
            f"provider: take --folds {len(providers)} or --group-by picture."
        )
    of_category = {(label, e.provider) for e in data.examples for label in e.labels}
    found = Counter(label for label, _ in of_category)
    short = [label for label in range(len(data.categories)) if found[label] < 2]
    if short:
        raise DatasetError(
            f"{data.source}: fewer than two data providers have {_listed(data, short)}; when the "
            "one is tested, nothing is left to learn from. Take --group-by picture."
        )


def _check_tells_apart(data: TrainingData) -> None:
    everywhere = np.flatnonzero(data.targets.all(axis=0))
    if len(everywhere):
        raise DatasetError(
            f"{data.source}: every picture is {_listed(data, everywhere)}; add pictures without."
        )


def _listed(data: TrainingData, labels: Iterable[int]) -> str:
    return ", ".join(data.categories[label] for label in labels)
