"""Folds: complete, stratified, and without twins on both sides."""

import random

import numpy as np
import pytest

from trainer.dataset import examples_needed
from trainer.folds import Fold, make_folds


def _data(seed: int) -> tuple[list[int], list[str]]:
    """300 examples of three categories, in groups of one to four copies."""
    chance = random.Random(seed)
    labels: list[int] = []
    groups: list[str] = []
    while len(labels) < 300:
        copies, label = chance.choice([1, 1, 1, 2, 4]), chance.choice([0, 0, 0, 1, 1, 2])
        groups += [f"group-{len(labels)}"] * copies
        labels += [label] * copies
    return labels, groups


def _parts(fold: Fold) -> list[np.ndarray]:
    return [fold.training, fold.validation, fold.test]


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
def test_every_example_is_tested_once_and_is_in_one_part_of_each_fold(folds: int) -> None:
    labels, groups = _data(0)
    made = make_folds(labels, groups, folds=folds, seed=0)
    assert sorted(np.concatenate([fold.test for fold in made])) == list(range(len(labels)))
    for fold in made:
        assert sorted(np.concatenate(_parts(fold))) == list(range(len(labels)))


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_parts_of_a_fold(seed: int) -> None:
    labels, groups = _data(seed)
    for fold in make_folds(labels, groups, folds=4, seed=seed):
        of_parts = [{groups[i] for i in part} for part in _parts(fold)]
        assert not of_parts[0] & of_parts[1]
        assert not of_parts[0] & of_parts[2]
        assert not of_parts[1] & of_parts[2]


def test_the_parts_are_stratified() -> None:
    labels, groups = _data(1)
    shares = np.bincount(labels) / len(labels)
    for fold in make_folds(labels, groups, folds=3, seed=0):
        for part in _parts(fold):
            found = np.bincount(np.array(labels)[part], minlength=3) / len(part)
            np.testing.assert_allclose(found, shares, atol=0.06)


@pytest.mark.parametrize("folds", [2, 3, 7])
def test_the_smallest_allowed_category_is_in_every_part(folds: int) -> None:
    rare = examples_needed(folds)
    labels = [0] * 100 + [1] * rare
    for fold in make_folds(labels, [str(i) for i in range(len(labels))], folds=folds, seed=0):
        for part in _parts(fold):
            assert 1 in np.array(labels)[part]


def test_the_seed_decides() -> None:
    labels, groups = _data(0)
    one, same, other = (
        make_folds(labels, groups, folds=3, seed=seed)[0].test.tolist() for seed in (0, 0, 1)
    )
    assert one == same
    assert one != other
