"""Folds: every example is tested once, by a classifier that saw neither it nor its twin."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from trainer.dataset import validation_parts

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Fold:
    """The three parts of the data for one fold, as positions of examples in ascending order."""

    number: int
    training: Indices
    validation: Indices
    test: Indices

    def part_of(self, count: int) -> list[str]:
        """train, validation or test for each of `count` examples."""
        parts = np.full(count, "train", dtype=object)
        parts[self.validation] = "validation"
        parts[self.test] = "test"
        return list(parts)


def make_folds(
    labels: Sequence[int], groups: Sequence[str], *, folds: int, seed: int
) -> list[Fold]:
    """Stratified folds in which no group, such as the copies of one picture, is divided.

    The test parts of all folds are the data; the validation part is drawn from the rest.
    """
    label_of, group_of = np.asarray(labels), np.asarray(groups)
    everything = np.arange(len(label_of))
    outer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    made = []
    for number, (rest, test) in enumerate(outer.split(everything, label_of, group_of)):
        inner = StratifiedGroupKFold(validation_parts(folds), shuffle=True, random_state=seed)
        training, validation = next(inner.split(rest, label_of[rest], group_of[rest]))
        made.append(
            Fold(number=number, training=rest[training], validation=rest[validation], test=test)
        )
    return made
