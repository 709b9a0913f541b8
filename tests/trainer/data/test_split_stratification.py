"""Parts that resemble the whole, for one label an example and for several."""

import numpy as np
import pytest

from trainer.data.split import divide

FIVE = [0.2] * 5


def _several_labels(seed: int, count: int = 600) -> np.ndarray:
    """Four categories, of half, a quarter, a tenth and a fiftieth; some examples have none."""
    chance = np.random.default_rng(seed)
    return chance.random((count, 4)) < [0.5, 0.25, 0.1, 0.02]


@pytest.mark.parametrize("seed", range(5))
def test_every_part_has_its_share_of_every_category(seed: int) -> None:
    targets = _several_labels(seed)
    parts = divide(targets, np.arange(600), FIVE, seed=[seed])
    sizes = np.bincount(parts)
    assert sizes.max() - sizes.min() <= 4
    for category in range(4):
        found = np.bincount(parts[targets[:, category]], minlength=5)
        assert found.max() - found.min() <= 3, found
        assert found.min() > 0


def test_one_label_an_example_is_divided_as_evenly_as_it_can_be() -> None:
    targets = np.eye(3, dtype=bool)[np.repeat([0, 1, 2], [101, 52, 13])]
    parts = divide(targets, np.arange(166), FIVE, seed=[0])
    for category in range(3):
        found = np.bincount(parts[targets[:, category]], minlength=5)
        assert found.max() - found.min() <= 1
    assert np.ptp(np.bincount(parts)) <= 1


def test_groups_are_not_divided_and_may_have_any_numbers() -> None:
    targets = _several_labels(0)
    groups = np.random.default_rng(0).choice([3, 5, 8, *range(1000, 1100)], size=600)
    parts = divide(targets, groups, FIVE, seed=[0])
    assert all(len(set(parts[groups == group])) == 1 for group in set(groups.tolist()))


def test_shares_may_differ() -> None:
    parts = divide(_several_labels(0), np.arange(600), [0.9, 0.1], seed=[0])
    assert np.bincount(parts).tolist() == [540, 60]


def test_no_part_is_empty_however_unequal_the_groups() -> None:
    groups = np.array([0] * 500 + [1, 2, 3] + [4] * 97)
    parts = divide(_several_labels(0), groups, FIVE, seed=[0])
    assert sorted(set(parts.tolist())) == [0, 1, 2, 3, 4]


def test_the_seed_decides() -> None:
    targets = _several_labels(0)
    one, same, other = (
        divide(targets, np.arange(600), FIVE, seed=seed).tolist() for seed in ([1], [1], [2])
    )
    assert one == same
    assert one != other
