"""Calibration: the temperature that was put in is found again."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from common.vision.kinds import Kind
from trainer.scoring.calibration import RANGE, at_temperature, calibration, fit_temperature
from trainer.scoring.metrics import Probabilities, Targets

TOO_SURE = 2.5  # times


def _overconfident(kind: Kind) -> tuple[Probabilities, Targets]:
    """Predictions of honest logits made too sure, and truth drawn from the honest ones."""
    random = np.random.default_rng(0)
    logits = random.normal(scale=1.5, size=(6000, 4))
    if kind == "single":
        honest, stated = softmax(logits, axis=1), softmax(logits * TOO_SURE, axis=1)
        drawn = (honest.cumsum(axis=1) < random.random((6000, 1))).sum(axis=1)
        return stated.astype(np.float32), np.eye(4, dtype=np.bool_)[drawn.clip(max=3)]
    stated = expit(logits * TOO_SURE).astype(np.float32)
    return stated, random.random(logits.shape) < expit(logits)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_the_temperature_undoes_overconfidence(kind: Kind) -> None:
    stated, targets = _overconfident(kind)
    temperature = fit_temperature(stated, targets, kind)
    assert temperature == pytest.approx(TOO_SURE, rel=0.06)
    before = calibration(stated, targets, kind)
    after = calibration(at_temperature(stated, temperature, kind), targets, kind)
    assert before.error > 0.1
    assert after.error < 0.02
    assert after.brier < before.brier


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_temperature_one_changes_nothing(kind: Kind) -> None:
    stated, _ = _overconfident(kind)
    np.testing.assert_allclose(at_temperature(stated, 1.0, kind), stated, rtol=1e-4, atol=1e-7)


def test_certainty_stays_finite() -> None:
    certain = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32)
    for kind in ("single", "multi"):
        warmer = at_temperature(certain, 2.0, kind)
        assert np.isfinite(warmer).all()
        assert (warmer.argmax(axis=1) == [0, 1]).all()


def test_a_classifier_that_is_never_wrong_gets_the_least_temperature() -> None:
    targets = np.eye(2, dtype=np.bool_)[[0, 1] * 20]
    stated = np.where(targets, 0.9, 0.1).astype(np.float32)
    assert fit_temperature(stated, targets, "single") == pytest.approx(RANGE[0], rel=0.01)


def test_the_numbers_are_those_computed_by_hand() -> None:
    stated = np.array([[0.8, 0.2], [0.6, 0.4]], dtype=np.float32)
    targets = np.array([[True, False], [False, True]])
    found = calibration(stated, targets, "single")
    assert found.error == pytest.approx((0.8 + 0.6) / 2 - 1 / 2)  # all in one bin
    assert found.brier == pytest.approx((2 * 0.2**2 + 2 * 0.6**2) / 2)


def test_bins_hold_equally_many_and_not_too_few() -> None:
    stated, targets = _overconfident("single")
    for examples, bins in ((6000, 15), (130, 3), (7, 1)):
        found = calibration(stated[:examples], targets[:examples], "single").bins
        counts = [each.count for each in found]
        assert (len(counts), sum(counts)) == (bins, examples)
        assert max(counts) - min(counts) <= 1
