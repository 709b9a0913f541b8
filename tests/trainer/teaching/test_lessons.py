"""Lessons: how old labels count beside verdicts."""

import numpy as np
import pytest

from tests.trainer.teaching.drawn_examples import drawn
from trainer.learning.head import Points
from trainer.teaching.examples import TeachingExamples
from trainer.teaching.lessons import WEIGHTS, Classroom, choose_weight, divide_judged


def room(examples: TeachingExamples) -> Classroom:
    points = Points.of(examples.embeddings)
    start = np.zeros((1, examples.classes, examples.embeddings.shape[1] + 1))
    return Classroom(examples=examples, points=points, strength=1e-3, start=start)


def test_all_old_labels_weigh_so_many_times_what_the_verdicts_weigh() -> None:
    examples = drawn(old=90, judged=30)
    lesson = room(examples).lesson(np.arange(90), np.arange(90, 120), 0.25)
    assert lesson.weights is not None
    weights = lesson.weights.numpy()
    assert weights[:90].sum() == pytest.approx(0.25 * weights[90:].sum())
    assert weights.mean() == pytest.approx(1)


def test_concepts_of_old_labels_weigh_the_same() -> None:
    examples = drawn(old=90, judged=30)
    rows = np.flatnonzero((examples.labels[:90] != 2) | (np.arange(90) < 6))
    weights = room(examples).lesson(rows, np.arange(90, 120), 1.0).weights
    assert weights is not None
    by_concept = np.bincount(examples.labels[rows], weights=weights.numpy()[: len(rows)])
    np.testing.assert_allclose(by_concept, by_concept[0], rtol=1e-5)


def test_old_labels_of_weight_zero_are_no_part_of_a_lesson() -> None:
    lesson = room(drawn()).lesson(np.arange(90), np.arange(90, 120), 0.0)
    assert lesson.rows.tolist() == list(range(90, 120))


def test_old_labels_that_verdicts_contradict_weigh_nothing() -> None:
    examples = drawn(judged=60, turned=1)
    parts = divide_judged(examples, examples.groups())
    chosen = choose_weight(room(examples), parts)
    assert chosen.weight == 0
    assert chosen.predictions.is_right.mean() > 0.7


def test_old_labels_that_verdicts_confirm_weigh_as_much_as_they_may() -> None:
    examples = drawn(judged=12, turned=0)
    parts = divide_judged(examples, examples.groups())
    assert choose_weight(room(examples), parts).weight == WEIGHTS[-1]


def test_near_duplicates_of_what_is_tested_teach_nothing() -> None:
    examples = drawn(judged=30, copies=True)
    groups = examples.groups()
    parts = divide_judged(examples, groups)
    assert sorted(np.concatenate([each.test for each in parts]).tolist()) == list(range(90, 120))
    for each in parts:
        taught = np.concatenate([each.judged, each.old])
        assert not np.isin(groups[taught], groups[each.test]).any()
