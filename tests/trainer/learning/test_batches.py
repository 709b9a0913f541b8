"""What a training step is given."""

import random

import numpy as np
import pytest
import torch

from trainer.learning.batches import mixup, seed_of, training_batches


@pytest.mark.parametrize("count", [4, 5, 31, 32, 33, 65, 1000])
def test_batches_hold_every_index_once_and_none_is_tiny(count: int) -> None:
    indices = np.arange(count) * 3
    batches = training_batches(indices, 32, torch.Generator().manual_seed(0))
    assert sorted(torch.cat(batches).tolist()) == indices.tolist()
    assert all(2 <= len(batch) <= 32 for batch in batches)


def test_mixup_blends_pictures_and_targets_by_the_same_share() -> None:
    pictures = torch.arange(4.0).view(4, 1, 1, 1)
    targets = torch.eye(4)
    mixed, soft = mixup(pictures, targets, strength=0.4, chance=random.Random(1))
    share = random.Random(1).betavariate(0.4, 0.4)
    assert mixed.flatten().tolist() == pytest.approx([3 * share, 1 - share, 2 - share, 3 - share])
    assert soft[1].tolist() == pytest.approx([share, 1 - share, 0, 0])
    torch.testing.assert_close(soft.sum(1), torch.ones(4))


def test_mixup_of_strength_0_leaves_the_batch_alone() -> None:
    pictures, targets = torch.rand(2, 3, 4, 4), torch.eye(2)
    same = mixup(pictures, targets, strength=0, chance=random.Random(1))
    assert same == (pictures, targets)


def test_seeds_of_different_purposes_differ() -> None:
    seeds = {seed_of(seed, fold, epoch) for seed in (0, 1) for fold in (0, 11) for epoch in (1, 2)}
    assert len(seeds) == 8
    assert seed_of(1, 11) != seed_of(11, 1)
