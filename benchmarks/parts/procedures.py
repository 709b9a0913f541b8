"""Procedures that prove a precision for the longest list of statements they can: ours and others.

Each takes whether the statements are right, most confident first (seeds, n), for many seeds at
once, and gives up to which rank the precision is proved, 0 if nowhere (seeds,).
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from trainer.scoring.proof import ERROR, fewest, proved_rank

Right = NDArray[np.bool_]
Ranks = NDArray[np.int64]
Procedure = Callable[[Right, float], Ranks]


def fallback(right: Right, precision: float) -> Ranks:
    """Ours: starts that double, and error that is handed on."""
    probabilities = -np.arange(right.shape[1], dtype=np.float64)
    return np.array([proved_rank(probabilities, row, precision=precision) for row in right])


def two_starts(right: Right, precision: float) -> Ranks:
    """A fixed sequence from two low ranks, each with half of the error, as the product had it."""
    error = ERROR / 2
    first = fewest(precision, error)
    walks = [_sequence(right, precision, first * times, error) for times in (1, 2)]
    longest: Ranks = np.max(walks, axis=0)
    return longest


def shared_starts(right: Right, precision: float) -> Ranks:
    """Fixed sequences from four ranks over the whole range, each with a quarter of the error."""
    error = ERROR / 4
    first, count = fewest(precision, error), right.shape[1]
    if first > count:
        return np.zeros(len(right), dtype=np.int64)
    ranks = {round(first * (count / first) ** (part / 4)) for part in range(4)}
    walks = [_sequence(right, precision, rank, error) for rank in ranks]
    longest: Ranks = np.max(walks, axis=0)
    return longest


def union_bound(right: Right, precision: float) -> Ranks:
    """A grid of ranks, each half as large again as the one before, with equal shares of error."""
    ranks: list[int] = []
    for _ in range(4):  # the first rank depends on the error, and the error on how many ranks
        ranks = grid(fewest(precision, ERROR / max(len(ranks), 1)), right.shape[1], 1.5)
    return _last_passing(right, precision, ranks, ERROR / max(len(ranks), 1))


def whole_curve(right: Right, precision: float) -> Ranks:
    """A bound for all ranks at once, whose error is found by walking all ways of chance.

    The level is the same at each rank. It is the highest one at which a list with exactly the
    wanted precision at every rank passes anywhere in 5 % of cases.
    """
    level = _curve_level(right.shape[1], precision)
    return _last_passing(right, precision, grid(fewest(precision, level), right.shape[1]), level)


PROCEDURES: dict[str, Procedure] = {
    "two starts": two_starts,
    "fallback": fallback,
    "shared starts": shared_starts,
    "union bound": union_bound,
    "whole curve": whole_curve,
}


def grid(first: int, count: int, stride: float = 1.1) -> list[int]:
    """Ranks from the first to the last, each larger than the one before by a factor."""
    ranks = []
    while first < count:
        ranks.append(first)
        first = math.ceil(first * stride)
    return [*ranks, count] if first <= count or ranks else []


def _sequence(right: Right, precision: float, rank: int, error: float) -> Ranks:
    cumulated = np.cumsum(right, axis=1)
    passed = np.zeros(len(right), dtype=np.int64)
    alive = np.ones(len(right), dtype=np.bool_)
    while rank <= right.shape[1] and alive.any():
        alive &= binom.sf(cumulated[:, rank - 1] - 1, rank, precision) <= error
        passed[alive] = rank
        rank = math.ceil(rank * 1.1)
    return passed


def _last_passing(right: Right, precision: float, ranks: list[int], level: float) -> Ranks:
    cumulated = np.cumsum(right, axis=1)
    passed = np.zeros(len(right), dtype=np.int64)
    for rank in ranks:
        passed[binom.sf(cumulated[:, rank - 1] - 1, rank, precision) <= level] = rank
    return passed


def _curve_level(count: int, precision: float) -> float:
    low, high = 1e-6, ERROR
    for _ in range(20):
        middle = math.sqrt(low * high)
        if _passing_somewhere(count, precision, middle) <= ERROR:
            low = middle
        else:
            high = middle
    return low


def _passing_somewhere(count: int, precision: float, level: float) -> float:
    """How often a list with this precision at every rank passes at any, exactly."""
    at, passing = 0, 0.0
    chances = np.ones(1)  # of each number of right statements, not having passed
    for rank in grid(fewest(precision, level), count):
        steps = binom.pmf(np.arange(rank - at + 1), rank - at, precision)
        chances = np.convolve(chances, steps)
        needed = int(binom.isf(level, rank, precision)) + 1
        passing += chances[needed:].sum()
        chances, at = chances[:needed], rank
    return float(passing)
