"""Metrics, by hand."""

import json
import math
import pickle

import numpy as np
import pytest

from trainer.scoring.metrics import Metrics, measure, members_of

CATEGORIES = ("map", "textile", "toy")


@pytest.fixture
def metrics() -> Metrics:
    """Truth 0 0 0 1 1, predicted 0 0 1 1 2; no example of the third category."""
    targets = np.eye(3, dtype=np.bool_)[[0, 0, 0, 1, 1]]
    probabilities = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2]]
    return measure(targets, probabilities, CATEGORIES, "single")


@pytest.fixture
def several() -> Metrics:
    """Truth {0}, {0, 1}, {2}; asserted {0}, {0, 2}, nothing."""
    targets = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=np.bool_)
    probabilities = np.array([[0.9, 0.2, 0.1], [0.8, 0.3, 0.6], [0.1, 0.2, 0.4]], dtype=np.float32)
    return measure(targets, probabilities, CATEGORIES, "multi")


def test_the_numbers_are_those_computed_by_hand(metrics: Metrics) -> None:
    assert metrics.examples == 5
    assert metrics.accuracy == pytest.approx(3 / 5)
    of_maps, of_textiles = metrics.categories["map"], metrics.categories["textile"]
    assert (of_maps.precision, of_maps.recall, of_maps.specificity) == (1, pytest.approx(2 / 3), 1)
    assert of_textiles.precision == of_textiles.recall == of_textiles.f1 == pytest.approx(1 / 2)
    assert of_textiles.specificity == pytest.approx(2 / 3)


def test_macro_averages_are_over_the_categories_that_are_present(metrics: Metrics) -> None:
    assert metrics.precision == pytest.approx((1 + 1 / 2) / 2)
    assert metrics.recall == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert metrics.f1 == pytest.approx((4 / 5 + 1 / 2) / 2)
    assert metrics.specificity == pytest.approx((1 + 2 / 3) / 2)


def test_what_is_undefined_is_neither_zero_nor_one(metrics: Metrics) -> None:
    absent = metrics.categories["toy"]
    assert absent.support == 0
    assert all(math.isnan(x) for x in (absent.recall, absent.f1, absent.average_precision))
    assert absent.precision == 0  # it was asserted once, wrongly
    assert math.isnan(metrics.top3)  # among three categories anybody is right
    text = metrics.model_dump_json()
    assert json.loads(text)["categories"]["toy"]["recall"] is None
    assert members_of(metrics) == json.loads(text)


def test_giving_up_on_a_category_is_no_gain() -> None:
    targets = np.eye(2, dtype=np.bool_)[[0, 0, 1]]
    always_map = np.tile(np.float32([0.9, 0.1]), (3, 1))
    metrics = measure(targets, always_map, CATEGORIES[:2], "single")
    assert math.isnan(metrics.categories["textile"].precision)
    assert metrics.precision == pytest.approx(2 / 3 / 2)


def test_rows_of_the_confusion_are_the_truth(metrics: Metrics) -> None:
    assert metrics.confusion == [[2, 1, 0], [0, 1, 1], [0, 0, 0]]


def test_they_survive_json(metrics: Metrics) -> None:
    again = Metrics.model_validate_json(metrics.model_dump_json())
    assert again.model_dump_json() == metrics.model_dump_json()
    assert math.isnan(again.top3)
    assert math.isnan(again.categories["toy"].recall)


def test_they_travel_between_processes(metrics: Metrics) -> None:
    assert pickle.loads(pickle.dumps(metrics)).model_dump_json() == metrics.model_dump_json()


def test_several_categories_are_right_when_all_of_them_are(several: Metrics) -> None:
    assert several.accuracy == pytest.approx(1 / 3)
    assert several.micro_f1 == pytest.approx(2 * 2 / (4 + 3))
    assert several.f1 == pytest.approx((1 + 0 + 0) / 3)
    assert several.average_precision == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert several.ranking_loss == pytest.approx((0 + 1 / 2 + 0) / 3)
    assert several.coverage == pytest.approx((1 + 3 + 1) / 3)


def test_the_confusion_of_several_counts_wrong_assertions_only(several: Metrics) -> None:
    assert several.confusion == [[2, 0, 1], [0, 0, 1], [0, 0, 0]]


def test_the_label_is_among_three_of_four() -> None:
    targets = np.eye(4, dtype=np.bool_)[[0, 1]]
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]], dtype=np.float32)
    assert measure(targets, probabilities, ("a", "b", "c", "d"), "single").top3 == 0.5
