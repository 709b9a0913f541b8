"""Fold assignment: each example is tested once, with a classifier that did not learn from it or
from a near-duplicate of it.

All parts have about the same share of each category, and groups stay together. The method is
iterative stratification (Sechidis, Tsoumakas and Vlahavas, 2011): the rarest category is assigned
first, each example to the part that lacks most of it. Here whole groups are assigned, the largest
first. It works for single-label and multi-label data, and assigns 70,000 groups in a second.
scikit-learn's StratifiedGroupKFold takes a minute, and works only for single-label data.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
INNER_PARTS = 3


@dataclass(frozen=True, kw_only=True)
class Fold:
    """The three parts of the data in one fold, as ascending positions of examples."""

    number: int
    training: Indices
    validation: Indices
    test: Indices

    def part_of(self, count: int) -> list[str]:
        """The part of each of `count` examples: train, validation, test or unused."""
        parts = np.full(count, "unused", dtype=object)
        parts[self.training] = "train"
        parts[self.validation] = "validation"
        parts[self.test] = "test"
        return list(parts)

    @classmethod
    def of_parts(cls, number: int, parts: Sequence[str]) -> Self:
        named = np.array(parts)
        return cls(
            number=number,
            training=np.flatnonzero(named == "train"),
            validation=np.flatnonzero(named == "validation"),
            test=np.flatnonzero(named == "test"),
        )


@dataclass(frozen=True, kw_only=True)
class Division:
    """The tested examples and the rest, as ascending positions.

    Near-duplicates of tested examples are in neither.
    """

    rest: Indices
    test: Indices


def make_divisions(
    targets: NDArray[np.bool_],
    groups: Indices,
    *,
    parts: int,
    seed: Sequence[int],
    tested_together: Indices | None = None,
) -> list[Division]:
    """Stratified divisions; the test parts together are the data. Arguments as for `make_folds`."""
    together = groups if tested_together is None else tested_together
    part_of = divide(targets, together, [1 / parts] * parts, seed=seed)
    made = []
    for number in range(parts):
        test = np.flatnonzero(part_of == number)
        rest = np.flatnonzero((part_of != number) & ~np.isin(groups, groups[test]))
        made.append(Division(rest=rest, test=test))
    return made


def make_inner_divisions(
    targets: NDArray[np.bool_],
    groups: Indices,
    *,
    parts: int = INNER_PARTS,
    seed: Sequence[int],
    tested_together: Indices | None = None,
) -> list[Division]:
    """Divisions of the training part of a fold, made like the fold; arguments as for `make_folds`.

    There are at most `parts`, and at most as many as groups in `tested_together`. If there is only
    one such group, or all of them show the same pictures, only near-duplicates stay together.
    """
    together = 1 if tested_together is None else len(np.unique(tested_together))
    if together > 1:
        made = make_divisions(
            targets,
            groups,
            parts=min(parts, together),
            seed=seed,
            tested_together=tested_together,
        )
        if all(len(each.rest) for each in made):  # else providers show the same pictures
            return made
    return make_divisions(targets, groups, parts=parts, seed=seed)


def make_folds(
    targets: NDArray[np.bool_],
    groups: Indices,
    *,
    folds: int,
    seed: int,
    tested_together: Indices | None = None,
) -> list[Fold]:
    """Stratified folds of targets (n, classes) that keep groups of near-duplicates together.

    The test parts of all folds together are the data. The validation part is drawn from the rest.

    Args:
        groups: the group of near-duplicates of each example, (n,), counted from 0.
        tested_together: other groups (n,) that the test parts keep together, such as the data
            provider of each example. A fold does not use near-duplicates of its tested examples
            from other groups.
    """
    divisions = make_divisions(
        targets, groups, parts=folds, seed=[seed], tested_together=tested_together
    )
    made = []
    for number, division in enumerate(divisions):
        rest = division.rest
        share = 1 / validation_parts(folds)
        part = divide(targets[rest], groups[rest], [1 - share, share], seed=[seed, number])
        training, validation = rest[part == 0], rest[part == 1]
        made.append(
            Fold(number=number, training=training, validation=validation, test=division.test)
        )
    return made


def validation_parts(folds: int) -> int:
    """Into how many parts the untested examples are divided; one of them is for validation."""
    return max(folds - 1, 5)


def divide(
    targets: NDArray[np.bool_],
    groups: NDArray[np.int64],
    shares: Sequence[float],
    *,
    seed: Sequence[int],
) -> NDArray[np.int64]:
    """The part (n,) of each example, from targets (n, classes), groups (n,) and the parts' shares.

    No part is empty if the parts are equal and there are at least as many groups.
    """
    names, group_of = np.unique(groups, return_inverse=True)
    counts = _counts(targets, group_of, len(names))
    lacking = np.outer(shares, counts.sum(axis=0))
    part_of = np.zeros(len(counts), dtype=np.int64)
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    for group, category in _rarest_first(counts, shuffled):
        part = np.lexsort((lacking[:, -1], lacking[:, category]))[-1]
        part_of[group] = part
        lacking[part] -= counts[group]
    return part_of[group_of]


def _counts(
    targets: NDArray[np.bool_], group_of: NDArray[np.int64], groups: int
) -> NDArray[np.int64]:
    """How many examples of each category a group has, (groups, classes + 1).

    The last column counts all examples, like a category that every example has. Groups without any
    other category are assigned by it.
    """
    with_all = np.column_stack([targets, np.ones(len(targets), dtype=np.bool_)])
    counts = np.zeros((groups, with_all.shape[1]), dtype=np.int64)
    np.add.at(counts, group_of, with_all)
    return counts


def _rarest_first(counts: NDArray[np.int64], order: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Every group once, with the category by which it is assigned."""
    left = order
    while len(left):
        examples = counts[left].sum(axis=0)
        category = int(np.where(examples > 0, examples, np.iinfo(np.int64).max).argmin())
        here = counts[left, category] > 0
        largest_first = np.argsort(-counts[left[here], category], kind="stable")
        yield from ((int(group), category) for group in left[here][largest_first])
        left = left[~here]
