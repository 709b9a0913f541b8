"""Thresholds: from which probability on a concept is written, so that what is written is right.

For each concept, the lowest threshold at which precision is at least the promised one with the
promised confidence, by predictions for pictures that the classifier has not seen.

Validity. Let the predictions be sorted by the probability of the concept. Those above the m-th are
right with the precision of that threshold, independently, whatever the threshold turned out to be;
so the Clopper-Pearson lower bound holds for one m chosen beforehand (the m-th itself, and its ties,
are counted too, which only lowers the bound). Many m are looked at, so the error is shared out: two
starts get half of it each (Bonferroni), and from a start the ranks are walked down, as
fixed beforehand, until the first that fails: going on after a pass costs nothing, going on after a
failure is not allowed (fixed-sequence testing with multiple starts: Angelopoulos et al., Learn then
Test, https://arxiv.org/abs/2110.01052). Exact where a higher threshold means a higher precision.

The promise is for each concept by itself, and for records like those that were learned from.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

CONFIDENCE = 0.95
STARTS = 2  # more would find more in thousands of examples, and less in hundreds
STRIDE = 1.1  # from one rank to the next


def choose_threshold(
    probabilities: NDArray[np.floating], correct: NDArray[np.bool_], *, precision: float
) -> float | None:
    """The lowest probability from which on `precision` holds with 95 % confidence, or None.

    Args:
        probabilities: of one concept, for all examples (n,).
        correct: whether each example shows that concept (n,).
    """
    order = np.argsort(-probabilities, kind="stable")
    descending, right = probabilities[order], np.cumsum(correct[order], dtype=np.int64)
    error = (1 - CONFIDENCE) / STARTS
    smallest = math.ceil(math.log(error) / math.log(precision))  # fewer prove nothing
    lowest = max(
        _walk(descending, right, start=smallest * 2**i, precision=precision, error=error)
        for i in range(STARTS)
    )
    return float(descending[lowest - 1]) if lowest else None


def _walk(
    descending: NDArray[np.floating],
    right: NDArray[np.int64],
    *,
    start: int,
    precision: float,
    error: float,
) -> int:
    """How many predictions may be written, by the walk from one start; 0 if that fails at once."""
    passed, rank = 0, start
    while rank <= len(descending):
        above = int(np.searchsorted(-descending, -descending[rank - 1], side="right"))
        if lower_bound(int(right[above - 1]), above, error) < precision:
            break
        passed, rank = above, math.ceil(rank * STRIDE)
    return passed


def lower_bound(right: int, tries: int, error: float) -> float:
    """Clopper-Pearson: the lowest success rate not ruled out at `error`, one-sided."""
    return float(beta.ppf(error, right, tries - right + 1)) if right else 0.0
