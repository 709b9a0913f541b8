"""What a training step is given."""

import numpy as np
import pytest
import torch

from trainer.batches import class_weights, learning_rate, seed_of, training_batches


def test_class_weights_go_to_the_classes_by_index_whatever_comes_first() -> None:
    labels = torch.tensor([2, 2, 2, 2, 0, 0, 1, 2])  # first seen: 2
    # n / (classes x count): 8 / (3 x 2), 8 / (3 x 1), 8 / (3 x 5)
    assert class_weights(labels, 3).tolist() == pytest.approx([8 / 6, 8 / 3, 8 / 15])


@pytest.mark.parametrize("count", [4, 5, 31, 32, 33, 65, 1000])
def test_batches_hold_every_index_once_and_none_is_tiny(count: int) -> None:
    indices = np.arange(count) * 3
    batches = training_batches(indices, 32, torch.Generator().manual_seed(0))
    assert sorted(torch.cat(batches).tolist()) == indices.tolist()
    assert all(2 <= len(batch) <= 32 for batch in batches)


def test_the_learning_rate_rises_then_falls_to_nothing() -> None:
    rates = [learning_rate(step, 100, highest=0.1, warm_up=0.05) for step in range(100)]
    assert rates[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] < 0.001


def test_seeds_of_different_purposes_differ() -> None:
    seeds = {seed_of(seed, fold, epoch) for seed in (0, 1) for fold in (0, 11) for epoch in (1, 2)}
    assert len(seeds) == 8
    assert seed_of(1, 11) != seed_of(11, 1)
