"""The promise of a threshold, tested on classifiers of known quality."""

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.thresholds import choose_threshold, lower_bound


def _predictions(seed: int, count: int, skill: float) -> tuple[NDArray, NDArray]:
    """Probabilities, and whether each is right: the more often, the higher the probability."""
    chance = np.random.default_rng(seed)
    probabilities = chance.beta(0.6, 0.8, count)
    truth = 0.02 + 0.97 * probabilities**skill  # skill above 1: overconfident
    return probabilities, chance.random(count) < truth


@pytest.mark.parametrize(("skill", "precision"), [(0.5, 0.9), (1.0, 0.8), (2.0, 0.9)])
def test_the_promised_precision_holds_on_new_data_for_19_of_20_seeds(
    skill: float, precision: float
) -> None:
    probabilities, right = _predictions(10_000, 400_000, skill)
    chosen = [
        choose_threshold(*_predictions(seed, 1000, skill), precision=precision)
        for seed in range(100)
    ]
    made = [threshold for threshold in chosen if threshold is not None]
    broken = sum(right[probabilities >= threshold].mean() < precision for threshold in made)
    assert len(made) > 30  # a promise that is never made is worth nothing
    assert broken <= len(chosen) / 20


def test_a_concept_that_cannot_keep_the_promise_is_switched_off() -> None:
    chance = np.random.default_rng(0)
    for _ in range(20):
        probabilities, right = chance.random(1000), chance.random(1000) < 0.6
        assert choose_threshold(probabilities, right, precision=0.9) is None


def test_too_few_predictions_prove_nothing() -> None:
    probabilities, right = np.linspace(0.9, 1, 30), np.ones(30, dtype=bool)
    assert choose_threshold(probabilities, right, precision=0.9) is None


def test_a_perfect_classifier_is_trusted_about_as_far_as_it_is_right() -> None:
    probabilities = np.linspace(0, 1, 500)
    right = probabilities > 0.4
    threshold = choose_threshold(probabilities, right, precision=0.9)
    assert threshold is not None
    assert 0.3 < threshold < 0.45


def test_equal_probabilities_stand_or_fall_together() -> None:
    probabilities = np.repeat([1.0, 0.5], 100)
    right = np.repeat([True, False], 100)
    assert choose_threshold(probabilities, right, precision=0.9) == 1.0


@pytest.mark.parametrize(
    ("right", "tries", "bound"),
    [
        (10, 10, 0.05 ** (1 / 10)),  # all right: the bound p solves p^10 = 0.05
        (0, 10, 0.0),
    ],
)
def test_the_lower_bound_is_that_of_clopper_and_pearson(
    right: int, tries: int, bound: float
) -> None:
    assert lower_bound(right, tries, 0.05) == pytest.approx(bound)
