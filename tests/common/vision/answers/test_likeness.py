"""Likeness: what is like nothing that was learned is told, in any batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.vision.answers.heads import Embeddings, halved
from common.vision.answers.likeness import (
    MOST_BYTES,
    MOST_REFERENCES,
    NEIGHBOURS,
    Likeness,
    halved_if_any,
    likeness,
    most_references,
)

DIMENSION = 48


def drawn(count: int, seed: int, *, around: float = 2.0) -> Embeddings:
    """Embeddings around one direction."""
    chance = np.random.default_rng(seed)
    return halved(chance.normal(size=(count, DIMENSION)).astype(np.float32) + np.float32(around))


def test_strangers_are_unlike_and_relatives_are_not() -> None:
    known = drawn(500, 0)
    told = Likeness.of(known, least=float(np.quantile(likeness(drawn(500, 1), known), 0.05)))
    assert 0.9 < 1 - told.is_unlike(drawn(1000, 2)).mean() < 0.99
    assert told.is_unlike(drawn(1000, 3, around=0.0)).all()


def test_the_third_nearest_counts() -> None:
    axes = halved(np.eye(DIMENSION, dtype=np.float32))
    references = axes[[0, 0, 1, 1, 1]]
    assert NEIGHBOURS == 3
    assert likeness(axes[:2], references).tolist() == [0.0, 1.0]


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_an_answer_depends_on_neither_the_batch_nor_rounding(seed: int, count: int) -> None:
    pictures, known = drawn(count, seed), drawn(50, seed + 1)
    exact = likeness(pictures, known)
    for least in exact:  # each of them is at the limit once
        told = Likeness.of(known, least=float(least))
        expected = (exact < least).tolist()
        assert told.is_unlike(pictures).tolist() == expected
        assert [bool(told.is_unlike(pictures[i : i + 1])[0]) for i in range(count)] == expected


def test_zeros_are_like_nothing() -> None:
    features = np.zeros((2, DIMENSION), dtype=np.float32)
    features[1, 0] = np.nan
    assert not halved_if_any(features).any()
    for least in (0.1, 0.0, -1.0):  # 0 where many of the pictures that were held back are zeros
        assert Likeness.of(drawn(10, 0), least=least).is_unlike(halved_if_any(features)).all()


def test_features_of_any_length_are_those_of_length_1() -> None:
    features = np.random.default_rng(0).normal(size=(5, DIMENSION)).astype(np.float32)
    np.testing.assert_array_equal(halved_if_any(features), halved(features))


@pytest.mark.parametrize("dimension", [1, 384, 768, 2048, 4000])
def test_what_a_model_keeps_is_bounded(dimension: int) -> None:
    most = most_references(dimension)
    assert NEIGHBOURS < most <= MOST_REFERENCES
    assert most * dimension * 2 <= MOST_BYTES


@pytest.mark.parametrize(
    ("references", "least"),
    [
        (drawn(NEIGHBOURS - 1, 0), 0.5),
        (drawn(10, 0), float("nan")),
        (drawn(10, 0), 1.5),
        (np.zeros((10, DIMENSION), dtype=np.float16), 0.5),
        (np.full((10, DIMENSION), np.nan, dtype=np.float16), 0.5),
        (drawn(10, 0)[0], 0.5),
    ],
)
def test_useless_references_are_refused(references: Embeddings, least: float) -> None:
    with pytest.raises(ValueError, match="fewer than|out of range"):
        Likeness.of(references, least)
