"""Folds: complete, stratified, and without near-duplicates on both sides."""

import numpy as np
import pytest

from trainer.data.prepare import examples_needed
from trainer.data.split import Fold, Indices, make_folds

Targets = np.ndarray


def _data(seed: int) -> tuple[Targets, Indices]:
    """Some 300 examples of three categories, in groups of one to four copies."""
    chance = np.random.default_rng(seed)
    copies = chance.choice([1, 1, 1, 2, 4], size=170)
    labels = chance.choice([0, 0, 0, 1, 1, 2], size=170)
    groups = np.repeat(np.arange(170), copies)
    return np.eye(3, dtype=bool)[labels[groups]], groups


def _parts(fold: Fold) -> list[Indices]:
    return [fold.training, fold.validation, fold.test]


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
def test_every_example_is_tested_once_and_is_in_one_part_of_each_fold(folds: int) -> None:
    targets, groups = _data(0)
    made = make_folds(targets, groups, folds=folds, seed=0)
    assert sorted(np.concatenate([fold.test for fold in made])) == list(range(len(targets)))
    for fold in made:
        assert sorted(np.concatenate(_parts(fold))) == list(range(len(targets)))
        assert set(fold.part_of(len(targets))) == {"train", "validation", "test"}


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_parts_of_a_fold(seed: int) -> None:
    targets, groups = _data(seed)
    for fold in make_folds(targets, groups, folds=4, seed=seed):
        of_parts = [set(groups[part]) for part in _parts(fold)]
        assert not of_parts[0] & of_parts[1]
        assert not of_parts[0] & of_parts[2]
        assert not of_parts[1] & of_parts[2]


def test_the_parts_are_stratified() -> None:
    targets, groups = _data(1)
    for fold in make_folds(targets, groups, folds=3, seed=0):
        for part in _parts(fold):
            np.testing.assert_allclose(targets[part].mean(0), targets.mean(0), atol=0.02)


@pytest.mark.parametrize("folds", [2, 3, 7])
def test_the_smallest_allowed_category_is_in_every_part(folds: int) -> None:
    rare = examples_needed(folds)
    targets = np.eye(2, dtype=bool)[[0] * 100 + [1] * rare]
    for fold in make_folds(targets, np.arange(len(targets)), folds=folds, seed=0):
        for part in _parts(fold):
            assert targets[part, 1].any()


def test_the_seed_decides() -> None:
    targets, groups = _data(0)
    one, same, other = (
        [_parts(fold) for fold in make_folds(targets, groups, folds=3, seed=seed)]
        for seed in (0, 0, 1)
    )
    assert str(one) == str(same)
    assert str(one) != str(other)


def test_each_of_as_many_providers_as_folds_is_a_test_part() -> None:
    targets, groups = _data(2)
    providers = np.where(groups < 110, 0, np.where(groups < 165, 1, 2))
    made = make_folds(targets, groups, folds=3, seed=0, tested_together=providers)
    assert sorted(np.unique(providers[fold.test]).tolist() for fold in made) == [[0], [1], [2]]
    for fold in made:
        assert sorted(np.concatenate(_parts(fold))) == list(range(len(targets)))
        assert targets[fold.validation].any(axis=0).all()


def test_of_more_providers_than_folds_none_is_divided_and_no_part_is_empty() -> None:
    targets, groups = _data(3)
    providers = np.minimum(groups // 4, 7)  # one has most
    made = make_folds(targets, groups, folds=4, seed=0, tested_together=providers)
    tested = [set(providers[fold.test]) for fold in made]
    assert sum(len(part) for part in tested) == len(set().union(*tested)) == 8
    assert all(tested)


def test_a_near_duplicate_of_a_tested_picture_at_another_provider_is_unused() -> None:
    targets = np.eye(2, dtype=bool)[np.arange(60) % 2]
    groups = np.arange(60)
    groups[58] = groups[0]  # of provider 1 and 0
    providers = (np.arange(60) >= 30).astype(np.int64)
    for fold in make_folds(targets, groups, folds=2, seed=0, tested_together=providers):
        parts = fold.part_of(60)
        assert {parts[0], parts[58]} == {"test", "unused"}
        assert parts.count("unused") == 1
