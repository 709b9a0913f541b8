"""What a classifier is told to make small."""

import math

import pytest
import torch

from common.vision.kinds import Kind
from trainer.learning.optimisation import Objective, category_weights, positive_weights, share_right


def _one_hot(*labels: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(labels)).float()


@pytest.mark.parametrize(
    ("power", "weights"),
    [
        (0.0, [1, 1, 1]),
        # counts 4, 1, 1: the root of the inverse is 1/2, 1, 1, in the mean 4/6
        (0.5, [0.75, 1.5, 1.5]),
        (1.0, [0.5, 2, 2]),
    ],
)
def test_class_weights_follow_the_index_and_are_1_in_the_mean(
    power: float, weights: list[float]
) -> None:
    targets = _one_hot(2, 0, 0, 1, 0, 0)  # first seen: 2
    assert category_weights(targets, power).tolist() == pytest.approx(weights)


def test_positive_weights_are_the_odds_against_and_bounded() -> None:
    targets = torch.zeros(100, 3)
    targets[:20, 0] = 1  # odds 80 to 20
    targets[:1, 1] = 1  # 99 to 1
    targets[:, 2] = 1  # all: 1 to 100
    assert positive_weights(targets, 1.0).tolist() == pytest.approx([4, 10, 0.1])
    assert positive_weights(targets, 0.5).tolist() == pytest.approx([2, math.sqrt(99), 0.1])
    assert positive_weights(targets, 0.0).tolist() == [1, 1, 1]


def test_the_single_label_loss_is_cross_entropy_with_uniform_smoothing() -> None:
    logits, targets = torch.randn(6, 3), _one_hot(0, 1, 2, 1, 1, 0)
    objective = Objective.of(targets, "single", "none")
    expected = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=0.1)
    torch.testing.assert_close(objective.loss(logits, targets, smoothing=0.1), expected)


def test_class_weights_make_examples_count_more_whether_smoothed_or_not() -> None:
    logits, targets = torch.randn(4, 2), _one_hot(0, 0, 0, 1)
    weighted = Objective.of(targets, "single", "inverse")
    even = Objective.of(targets, "single", "none")
    for smoothing in (0.0, 0.1):
        common, rare = (
            even.loss(logits[part], targets[part], smoothing=smoothing)
            for part in (slice(0, 3), slice(3, 4))
        )
        # As much as if there were as many of the rare category as of the common one.
        loss = weighted.loss(logits, targets, smoothing=smoothing)
        torch.testing.assert_close(loss, (common + rare) / 2)


def test_the_multi_label_loss_is_smoothed_towards_the_frequencies() -> None:
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    objective = Objective.of(targets, "multi", "none")
    assert objective.prior.tolist() == [0.5, 0.25]
    frequencies = torch.tensor([0.5, 0.25]).logit().expand(4, 2)
    # Who always answers the frequencies loses the same, smoothed or not.
    torch.testing.assert_close(
        objective.loss(frequencies, targets, smoothing=0.5), objective.loss(frequencies, targets)
    )


@pytest.mark.parametrize(("kind", "share"), [("single", 0.75), ("multi", 0.5)])
def test_a_picture_is_told_right_if_all_its_categories_are(kind: Kind, share: float) -> None:
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    logits = torch.tensor([[2.0, -1.0], [2.0, 1.0], [-1.0, 3.0], [1.0, -1.0]])
    assert share_right(logits, targets, kind) == share
