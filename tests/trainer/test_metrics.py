"""Metrics, by hand."""

import numpy as np
import pytest

from trainer.metrics import Metrics, measure

CATEGORIES = ("map", "textile", "toy")


@pytest.fixture
def metrics() -> Metrics:
    """Truth 0 0 0 1 1, predicted 0 0 1 1 0; no example of the third category."""
    probabilities = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 0]]
    return measure(np.array([0, 0, 0, 1, 1]), probabilities, CATEGORIES)


def test_the_numbers_are_those_computed_by_hand(metrics: Metrics) -> None:
    assert metrics.examples == 5
    assert metrics.accuracy == pytest.approx(3 / 5)
    assert metrics.categories["map"].precision == pytest.approx(2 / 3)
    assert metrics.categories["map"].recall == pytest.approx(2 / 3)
    assert metrics.categories["textile"].precision == pytest.approx(1 / 2)
    assert metrics.categories["textile"].f1 == pytest.approx(1 / 2)
    assert metrics.precision == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_rows_of_the_confusion_are_the_truth(metrics: Metrics) -> None:
    assert metrics.confusion == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_a_category_without_examples_counts_nothing(metrics: Metrics) -> None:
    assert metrics.categories["toy"].support == 0
    assert metrics.categories["toy"].f1 == 0


def test_they_survive_json(metrics: Metrics) -> None:
    assert Metrics.from_json(metrics.to_json()) == metrics
