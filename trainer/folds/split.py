"""Folds: every example is tested once, by a classifier that saw neither it nor its twin."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from trainer.folds.stratification import divide

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Fold:
    """The three parts of the data for one fold, as positions of examples in ascending order."""

    number: int
    training: Indices
    validation: Indices
    test: Indices

    def part_of(self, count: int) -> list[str]:
        """train, validation, test or unused for each of `count` examples."""
        parts = np.full(count, "unused", dtype=object)
        parts[self.training] = "train"
        parts[self.validation] = "validation"
        parts[self.test] = "test"
        return list(parts)

    @classmethod
    def of_parts(cls, number: int, parts: Sequence[str]) -> Self:
        """The fold that `part_of` described."""
        named = np.array(parts)
        return cls(
            number=number,
            training=np.flatnonzero(named == "train"),
            validation=np.flatnonzero(named == "validation"),
            test=np.flatnonzero(named == "test"),
        )


def make_folds(
    targets: NDArray[np.bool_],
    groups: Indices,
    *,
    folds: int,
    seed: int,
    tested_together: Indices | None = None,
) -> list[Fold]:
    """Stratified folds of targets (n, classes) in which no group of twins is divided.

    The test parts of all folds are the data; the validation part is drawn from the rest.

    Args:
        groups: the group of each example, (n,), counted from 0.
        tested_together: where the test parts must keep together other groups, such as all that one
            provider gave, those. A twin of a tested example is then unused in that fold.
    """
    together = groups if tested_together is None else tested_together
    test_fold = divide(targets, together, [1 / folds] * folds, seed=[seed])
    made = []
    for number in range(folds):
        test = np.flatnonzero(test_fold == number)
        rest = np.flatnonzero((test_fold != number) & ~np.isin(groups, groups[test]))
        share = 1 / validation_parts(folds)
        part = divide(targets[rest], groups[rest], [1 - share, share], seed=[seed, number])
        made.append(
            Fold(number=number, training=rest[part == 0], validation=rest[part == 1], test=test)
        )
    return made


def validation_parts(folds: int) -> int:
    """One of so many parts of what is not tested is for validation."""
    return max(folds - 1, 5)
