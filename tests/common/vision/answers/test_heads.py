"""Heads answer with the same bits in every batch, and as the mathematics says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.vision.answers.heads import MOST_WEIGHT, Head, HeadEnsemble, halved
from common.vision.kinds import Kind

DIMENSION = 96


def embeddings(count: int, *, seed: int = 0) -> np.ndarray:
    return halved(np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32))


def head(classes: int = 5, *, seed: int = 1, scale: float = 10.0) -> Head:
    drawn = np.random.default_rng(seed)
    return Head.rounded(drawn.normal(size=(classes, DIMENSION)) * scale, drawn.normal(size=classes))


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(1e-8, 1e8), seed=st.integers(0, 1000), count=st.integers(1, 40))
def test_the_order_of_sums_changes_no_bit(scale: float, seed: int, count: int) -> None:
    tried, rows = head(seed=seed, scale=scale), embeddings(count, seed=seed)
    expected = tried.logits(rows)
    alone = np.concatenate([tried.logits(rows[n : n + 1]) for n in range(count)])
    order = np.random.default_rng(seed).permutation(DIMENSION)
    turned = Head(tried.weights[:, order], tried.bias).logits(rows[:, order])
    one_by_one = np.zeros((count, 5))
    for place in range(DIMENSION):  # each sum rounded on its own, if there were anything to round
        one_by_one += np.outer(rows[:, place].astype(np.float64), tried.weights[:, place])
    assert np.array_equal(expected, alone)
    assert np.array_equal(expected, turned)
    assert np.array_equal(expected, (one_by_one + tried.bias).astype(np.float32))


def test_rounding_changes_a_head_by_less_than_float32_can_tell() -> None:
    drawn = np.random.default_rng(3).normal(size=(5, DIMENSION))
    rounded = Head.rounded(drawn, np.zeros(5)).weights
    lengths = np.linalg.norm(drawn, axis=1, keepdims=True)
    assert (np.abs(rounded - drawn) <= lengths * 2.0**-28).all()


def test_a_saved_head_rounds_to_itself() -> None:
    tried = head()
    again = Head.rounded(tried.weights, tried.bias)
    assert np.array_equal(again.weights, tried.weights)


def test_weights_of_zero_are_a_head() -> None:
    silent = Head.rounded(np.zeros((2, DIMENSION)), np.array([1.0, -1.0]))
    assert np.array_equal(silent.logits(embeddings(3)), [[1, -1]] * 3)


@pytest.mark.parametrize(
    ("weights", "bias", "message"),
    [
        (np.ones((2, 3)), np.ones(3), "are no head"),
        (np.ones(3), np.ones(3), "are no head"),
        (np.full((2, 3), np.nan), np.ones(2), "not finite"),
        (np.ones((2, 3)), np.array([np.inf, 0]), "not finite"),
        (np.full((2, 3), -1e200), np.ones(2), "above 1e\\+30"),
        (np.ones((2, 3)), np.array([0, 1e31]), "above 1e\\+30"),
    ],
)
def test_what_is_no_head_is_refused(weights: np.ndarray, bias: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Head.rounded(weights, bias)


@pytest.mark.parametrize("row", [np.zeros(4), np.array([1, np.nan, 0, 0]), np.full(4, np.inf)])
def test_what_is_no_embedding_is_refused(row: np.ndarray) -> None:
    with pytest.raises(ValueError, match="zero, or has a number that is not finite"):
        halved(row.astype(np.float32)[None])


def test_halves_have_length_one_and_keep_their_direction() -> None:
    rows = np.array([[3e20, 4e20], [3e-20, 4e-20]], dtype=np.float32)
    assert np.array_equal(halved(rows), np.array([[0.6, 0.8]] * 2, dtype=np.float16))


def test_an_ensemble_is_the_mean_of_its_heads_at_its_temperature() -> None:
    rows, one, other = embeddings(7), head(seed=1), head(seed=2)
    ensemble = HeadEnsemble((one, other), "single", 2.0)
    logits = np.stack([each.logits(rows) for each in (one, other)]).astype(np.float64) / 2
    powers = np.exp(logits)
    expected = (powers / powers.sum(2, keepdims=True)).mean(0)
    np.testing.assert_allclose(ensemble.probabilities(rows), expected, rtol=1e-6)
    several = HeadEnsemble((one, other), "multi", 2.0).probabilities(rows)
    np.testing.assert_allclose(several, (1 / (1 + np.exp(-logits))).mean(0), rtol=1e-6)


def test_extreme_logits_give_probabilities() -> None:
    large = HeadEnsemble((head(scale=1e6),), "single", 1e-3)
    assert np.isfinite(large.probabilities(embeddings(5))).all()
    several = HeadEnsemble((head(scale=1e6),), "multi", 1e-3)
    assert np.isfinite(several.probabilities(embeddings(5))).all()


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_the_largest_weights_give_probabilities(kind: Kind) -> None:
    drawn = np.random.default_rng(0).choice([-1.0, 1.0], size=(5, DIMENSION))
    largest = Head.rounded(MOST_WEIGHT * drawn, np.full(5, MOST_WEIGHT))
    found = HeadEnsemble((largest,), kind, 1e-3).probabilities(embeddings(5))
    assert np.isfinite(found).all()
