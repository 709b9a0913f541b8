"""Calibration: of all pictures with probability 0.8, eight in ten should be right.

One temperature divides the logits to come close to that (Guo et al., 2017,
https://arxiv.org/abs/1706.04599). It is fitted on validation predictions, so that test predictions
stay untouched. Probabilities suffice for that: they determine the logits up to a constant, which
softmax ignores.

Calibration is about statements. If a picture has one category, its most probable category is the
statement. If it may have several, each category is a statement.

scipy is loaded only to compute: commands that show results do not need it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.vision.kinds import Kind
from trainer.scoring.predictions import Numbers, Probabilities, Targets

MOST_BINS = 15
LEAST_IN_A_BIN = 40  # statements; with fewer, the share of right ones is mostly chance
RANGE = (0.25, 10.0)  # a classifier without validation mistakes has no best temperature
_SMALLEST = np.finfo(np.float32).tiny
_LARGEST = 1 - np.finfo(np.float32).epsneg


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Statements with similar probabilities: their mean probability and the share of right ones."""

    probability: float
    right: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How well probabilities agree with the labels.

    `error` is the expected calibration error over bins with equal numbers of statements (Nguyen
    and O'Connor, 2015, https://arxiv.org/abs/1508.05154). `brier` is the squared distance of a
    picture's probabilities from its targets, summed over categories, averaged over pictures. For
    both, 0 is best.
    """

    error: float
    brier: float
    bins: tuple[Bin, ...]


def fit_temperature(probabilities: Probabilities, targets: Targets, kind: Kind) -> float:
    """The temperature at which the probabilities (n, classes) give the lowest validation loss."""
    from scipy.special import log_expit, log_softmax

    logits = _logits(probabilities, kind)

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        if kind == "single":
            return float(-log_softmax(scaled, axis=1)[targets].mean())
        return float(-log_expit(np.where(targets, scaled, -scaled)).mean())

    return _lowest(loss)


def at_temperature(probabilities: Probabilities, temperature: float, kind: Kind) -> Probabilities:
    """The probabilities (n, classes) after dividing the logits by `temperature`."""
    from scipy.special import expit, softmax

    scaled = _logits(probabilities, kind) / temperature
    changed = softmax(scaled, axis=1) if kind == "single" else expit(scaled)
    return np.asarray(changed, dtype=np.float32)


def fit_ensemble_temperature(
    logits: Sequence[NDArray[np.float32]], targets: Targets, kind: Kind
) -> float:
    """The temperature at which the mean probabilities of ensembles give the lowest loss.

    Args:
        logits: those of each member of an ensemble, (m, members, classes), for parts of the
            examples, one after the other; targets are (n, classes).
    """

    def loss(log_temperature: float) -> float:
        predicted = ensemble_probabilities(logits, float(np.exp(log_temperature)), kind)
        exact = np.clip(predicted.astype(np.float64), _SMALLEST, _LARGEST)
        if kind == "single":
            return float(-np.log(exact[targets]).mean())
        return float(-np.log(np.where(targets, exact, 1 - exact)).mean())

    return _lowest(loss)


def _lowest(loss: Callable[[float], float]) -> float:
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(loss, bounds=np.log(RANGE), method="bounded")
    return float(np.exp(found.x))


def ensemble_probabilities(
    logits: Sequence[NDArray[np.float32]], temperature: float, kind: Kind
) -> Probabilities:
    """The mean over the members of their probabilities, (n, classes); logits as above."""
    from scipy.special import expit, softmax

    parts = []
    for part in logits:
        scaled = part.astype(np.float64) / temperature
        each = softmax(scaled, axis=2) if kind == "single" else expit(scaled)
        parts.append(each.mean(axis=1))
    return np.asarray(np.concatenate(parts), dtype=np.float32)


def calibration(probabilities: Probabilities, targets: Targets, kind: Kind) -> Calibration:
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
