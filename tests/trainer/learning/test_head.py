"""Heads: what they learn, and that scikit-learn learns the same."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from common.vision.answers.heads import Head
from common.vision.kinds import Kind
from tests.trainer.embeddings import around_means, one_hot
from trainer.learning.head import Lesson, Points, example_loss, fit_heads
from trainer.learning.optimisation import Objective
from trainer.settings import ClassWeights

COUNT, STRENGTH = 400, 1e-3
LABELS = np.random.default_rng(1).choice(3, size=COUNT, p=[0.6, 0.3, 0.1])
EMBEDDINGS = around_means(LABELS)
POINTS = Points.of(EMBEDDINGS)
SINGLE = torch.from_numpy(one_hot(LABELS)).float()
MULTI = torch.from_numpy(one_hot(LABELS) | one_hot(np.roll(LABELS, 1))).float()


def _served(
    targets: torch.Tensor, kind: Kind, class_weights: ClassWeights = "none"
) -> dict[str, torch.Tensor]:
    lesson = Lesson.of(np.arange(COUNT), targets, kind, class_weights)
    (weights,) = fit_heads(POINTS, [lesson], strength=STRENGTH, close=1e-8)
    return POINTS.on_embeddings(weights)


def test_scikit_learn_finds_the_same_head_of_one_category() -> None:
    peer = LogisticRegression(C=1 / (STRENGTH * COUNT), tol=1e-8, max_iter=5000)
    peer.fit(EMBEDDINGS.astype(np.float64), LABELS)
    found = _served(SINGLE, "single")
    np.testing.assert_allclose(found["weight"], peer.coef_, atol=0.02)


def test_scikit_learn_finds_the_same_heads_concept_by_concept() -> None:
    found = _served(MULTI, "multi")
    for concept in range(3):
        peer = LogisticRegression(C=1 / (STRENGTH * COUNT), tol=1e-8, max_iter=5000)
        peer.fit(EMBEDDINGS.astype(np.float64), MULTI[:, concept])
        np.testing.assert_allclose(found["weight"][concept], peer.coef_[0], atol=0.02)
        assert found["bias"][concept] == pytest.approx(peer.intercept_[0], abs=0.02)


def test_class_weights_weigh_as_they_do_for_networks() -> None:
    peer = LogisticRegression(
        C=1 / (STRENGTH * COUNT), tol=1e-8, max_iter=5000, class_weight="balanced"
    )
    peer.fit(EMBEDDINGS.astype(np.float64), LABELS)
    found = _served(SINGLE, "single", "inverse")
    np.testing.assert_allclose(found["weight"], peer.coef_, atol=0.02)


def test_heads_fitted_together_are_those_fitted_alone() -> None:
    lessons = [
        Lesson.of(np.flatnonzero(np.arange(COUNT) % 3 != part), SINGLE, "single", "none")
        for part in range(3)
    ]
    together = fit_heads(POINTS, lessons, strength=STRENGTH, close=1e-8)
    for lesson, weights in zip(lessons, together, strict=True):
        (alone,) = fit_heads(POINTS, [lesson], strength=STRENGTH, close=1e-8)
        np.testing.assert_allclose(weights, alone, atol=0.05)


def test_the_same_is_fitted_to_the_last_bit() -> None:
    one, other = _served(SINGLE, "single"), _served(SINGLE, "single")
    assert torch.equal(one["weight"], other["weight"])
    assert torch.equal(one["bias"], other["bias"])


def test_a_head_says_of_embeddings_what_it_says_of_points() -> None:
    lesson = Lesson.of(np.arange(COUNT), SINGLE, "single", "none")
    weights = fit_heads(POINTS, [lesson], strength=STRENGTH)
    state = POINTS.on_embeddings(weights[0])
    served = Head.rounded(state["weight"].numpy(), state["bias"].numpy()).logits(EMBEDDINGS)
    np.testing.assert_allclose(served, POINTS.logits(weights)[:, 0], atol=1e-4)
    few = POINTS.rows(np.array([3, 5])).logits(weights)[:, 0]
    np.testing.assert_allclose(few, served[[3, 5]], atol=1e-4)


def test_a_greater_strength_keeps_weights_smaller_and_biases_free() -> None:
    lesson = Lesson.of(np.arange(COUNT), SINGLE, "single", "none")
    (strong,) = fit_heads(POINTS, [lesson], strength=10.0)
    assert np.abs(strong[:, :-1]).max() < 0.05
    shares = np.bincount(LABELS) / COUNT
    said = torch.from_numpy(strong[:, -1]).softmax(0)
    np.testing.assert_allclose(said, shares, atol=0.02)


def test_the_loss_of_an_example_with_several_categories_is_their_sum() -> None:
    objective = Objective.of(MULTI, "multi", "none")
    loss = example_loss(objective, torch.zeros_like(MULTI), MULTI)
    assert loss.item() == pytest.approx(3 * np.log(2))


@pytest.mark.parametrize(("targets", "kind"), [(SINGLE, "single"), (MULTI, "multi")])
def test_an_example_of_weight_three_counts_as_three(targets: torch.Tensor, kind: Kind) -> None:
    heavy = np.arange(COUNT) < 50
    rows = np.repeat(np.arange(COUNT), np.where(heavy, 3, 1))
    weighed = Lesson.of(np.arange(COUNT), targets, kind, "none", weights=np.where(heavy, 3.0, 1.0))
    repeated = Lesson.of(rows, targets, kind, "none")
    one, other = fit_heads(POINTS, [weighed, repeated], strength=STRENGTH, close=1e-8)
    np.testing.assert_allclose(one, other, atol=0.01)
