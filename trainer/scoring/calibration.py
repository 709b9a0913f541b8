"""Calibration: whether of the pictures of probability 0.8 eight in ten are right, and how to make
it so by one temperature that the logits are divided by (Guo et al., https://arxiv.org/abs/1706.04599).

The temperature is fitted on validation predictions, so test predictions stay unseen. Probabilities
are all it takes: they give the logits back up to a constant, which softmax ignores.

Judged are statements and whether they are right: the most probable category of each picture where
it has one; each category of each picture, that it has it, where it may have several.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax

from common.vision.model import Kind
from trainer.scoring.metrics import Numbers, Probabilities, Targets

MOST_BINS = 15
LEAST_IN_A_BIN = 40  # statements; the share right of fewer is mostly chance
RANGE = (0.25, 10.0)  # a classifier that is never wrong in validation has no best temperature
_SMALLEST = np.finfo(np.float32).tiny
_LARGEST = 1 - np.finfo(np.float32).epsneg


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Statements of about the same probability: their mean probability, and the share right."""

    probability: float
    right: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How well probabilities fit what is true.

    `error` is the expected calibration error over bins of equally many statements (Nguyen and
    O'Connor, https://arxiv.org/abs/1508.05154). `brier` is the mean squared distance of a
    picture's probabilities from the truth, summed over the categories. Of both 0 is best.
    """

    error: float
    brier: float
    bins: tuple[Bin, ...]


def fit_temperature(probabilities: Probabilities, targets: Targets, kind: Kind) -> float:
    """The temperature at which the probabilities (n, classes) make the truth most likely."""
    logits = _logits(probabilities, kind)

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        if kind == "single":
            return float(-log_softmax(scaled, axis=1)[targets].mean())
        return float(-log_expit(np.where(targets, scaled, -scaled)).mean())

    found = minimize_scalar(loss, bounds=np.log(RANGE), method="bounded")
    return float(np.exp(found.x))


def at_temperature(probabilities: Probabilities, temperature: float, kind: Kind) -> Probabilities:
    """The probabilities as they are when the logits are divided by `temperature`."""
    scaled = _logits(probabilities, kind) / temperature
    changed = softmax(scaled, axis=1) if kind == "single" else expit(scaled)
    return np.asarray(changed, dtype=np.float32)


def calibration(probabilities: Probabilities, targets: Targets, kind: Kind) -> Calibration:
    """How well the probabilities (n, classes) fit the targets."""
    if kind == "single":
        rows, best = np.arange(len(targets)), probabilities.argmax(axis=1)
        stated, right = probabilities[rows, best], targets[rows, best]
    else:
        stated, right = probabilities.ravel(), targets.ravel()
    bins = _bins(stated.astype(np.float64), right)
    gaps = [each.count * abs(each.probability - each.right) for each in bins]
    return Calibration(
        error=sum(gaps) / len(stated),
        brier=float(np.square(probabilities - targets, dtype=np.float64).sum(axis=1).mean()),
        bins=bins,
    )


def _bins(stated: Numbers, right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    order = np.argsort(stated, kind="stable")
    bins = min(MOST_BINS, max(len(order) // LEAST_IN_A_BIN, 1))
    return tuple(
        Bin(
            probability=float(stated[part].mean()),
            right=float(right[part].mean()),
            count=len(part),
        )
        for part in np.array_split(order, bins)
    )


def _logits(probabilities: Probabilities, kind: Kind) -> Numbers:
    exact = np.clip(probabilities.astype(np.float64), _SMALLEST, _LARGEST)
    logits = np.log(exact) if kind == "single" else np.log(exact) - np.log1p(-exact)
    return np.asarray(logits)
