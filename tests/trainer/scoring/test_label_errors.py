"""Doubtful labels: those that were swapped are found, few others."""

import csv
from pathlib import Path

import numpy as np

from trainer.scoring.label_errors import doubtful_labels, pictures_in_doubt, write_doubts
from trainer.scoring.predictions import Predictions

CATEGORIES = ("map", "textile", "toy")


def _predictions(targets: np.ndarray, probabilities: np.ndarray) -> Predictions:
    return Predictions(
        keys=tuple(f"/1/{i}" for i in range(len(targets))),
        targets=targets,
        probabilities=probabilities.astype(np.float32),
    )


def _swapped(count: int) -> Predictions:
    """300 pictures that a fair classifier knows, of which the first `count` are mislabelled."""
    random = np.random.default_rng(0)
    true = random.integers(0, 3, 300)
    logits = random.normal(size=(300, 3)) + 5 * np.eye(3)[true]
    labels = np.where(np.arange(300) < count, (true + 1) % 3, true)
    exponents = np.exp(logits)
    return _predictions(
        np.eye(3, dtype=np.bool_)[labels], exponents / exponents.sum(axis=1, keepdims=True)
    )


def test_swapped_labels_are_found_first() -> None:
    doubts = doubtful_labels(_swapped(20), "single")
    first = {doubt.position for doubt in doubts[:15]}
    assert first <= set(range(20))
    assert len({doubt.position for doubt in doubts} & set(range(20))) >= 15
    assert len(doubts) < 30
    assert doubts[0].given_probability < 0.1
    assert doubts[0].suggested_probability > 0.9


def test_a_category_without_examples_is_never_suggested() -> None:
    targets = np.eye(3, dtype=np.bool_)[[0, 0, 1, 1]]
    probabilities = np.array([[0.9, 0.1, 0], [0.1, 0, 0.9], [0, 1, 0], [0.1, 0.9, 0]])
    doubts = doubtful_labels(_predictions(targets, probabilities), "single")
    assert [doubt.suggested for doubt in doubts if doubt.suggested == 2] == []


def test_of_several_categories_one_is_missing_or_wrong() -> None:
    targets = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [1, 0], [0, 1]], dtype=np.bool_)
    probabilities = np.array(
        [[0.9, 0.1], [0.8, 0.01], [0.1, 0.9], [0.99, 0.1], [0.9, 0.2], [0.2, 0.9]]
    )
    doubts = doubtful_labels(_predictions(targets, probabilities), "multi")
    found = {(doubt.position, doubt.given, doubt.suggested) for doubt in doubts}
    assert found == {(1, 1, None), (3, None, 0)}


def test_the_table_names_record_and_labels(tmp_path: Path) -> None:
    predictions = _swapped(20)
    doubts = doubtful_labels(predictions, "single")
    write_doubts(tmp_path / "doubts.csv", doubts, predictions, CATEGORIES)
    with (tmp_path / "doubts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(doubts)
    assert rows[0]["example"] == f"/1/{doubts[0].position}"
    assert rows[0]["given"] != rows[0]["suggested"]
    assert {rows[0]["given"], rows[0]["suggested"]} <= set(CATEGORIES)


def test_pictures_in_doubt_are_those_with_a_doubtful_label() -> None:
    predictions = _swapped(20)
    doubts = {doubt.position for doubt in doubtful_labels(predictions, "single")}
    assert pictures_in_doubt(predictions, "single").tolist() == sorted(doubts)


def test_a_category_that_is_mostly_in_doubt_keeps_its_pictures() -> None:
    """Of the 30 pictures labelled 2, all look like others; of the rest, one label is wrong."""
    targets = np.eye(3, dtype=np.bool_)[[0] * 50 + [1] * 50 + [2] * 30]
    said = np.array([0] * 49 + [1] + [1] * 50 + [0] * 30)
    predictions = _predictions(targets, 0.8 * np.eye(3)[said] + 0.2 / 3)
    assert {49, 100} <= {doubt.position for doubt in doubtful_labels(predictions, "single")}
    assert pictures_in_doubt(predictions, "single").tolist() == [49]
