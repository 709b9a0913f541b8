"""Proof: up to which rank of a list of statements, most confident first, a precision is proved.

A precision is proved for a rank if enough of the statements up to it are right: with a lower
precision this number would be unlikely (the exact binomial test of Clopper and Pearson). Given the
probability at the rank, the statements above it are independent draws from all that a threshold
there would write. The statement at the rank and its ties are counted too, which only makes the
proof harder.

The result is the last rank that is proved; all tests together may be wrong in 5 % of cases. The
ranks are tested from first to last by the fallback procedure (Wiens, 2003, Pharmaceutical
Statistics 2, 211-215; one of the graphs of Learn then Test, https://arxiv.org/abs/2110.01052). A
few ranks, the starts, each have an equal share of the allowed error. A rank that passes gives all
the error that it was tested at to the next rank. A rank that fails uses it up, and the tests begin
again at the next start. So an early mistake costs some error, but does not end the tests. This is
also valid if a higher threshold does not have a higher precision.

In November 2026 it was compared with a single sequence from two starts, a grid with a union bound,
several sequences with shared error, and a bound for the whole curve. In December 2026, starts that
double and share the error equally were chosen among ten ways, by the random lists of
`benchmarks.thresholds` and photographs of architectural elements. Before, the first two starts had
nearly all of the error, and lists with a few wrong statements at the top lost much: 0.400 of the
right statements were found, on average over the random lists; now it is 0.421. Three starts over
the whole range find a little more (0.430), but prove no rank if a list becomes good late. The
benchmark also measures how often the promise is kept.

scipy is loaded only to compute: commands that show results do not need it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
ERROR = 1 - CONFIDENCE
STRIDE = 1.01  # ratio of one rank to the next
MOST_TIMES = (
    64  # the most pictures that a person would label, as a multiple of those that there are
)


def proved_rank(
    probabilities: NDArray[np.floating],
    correct: NDArray[np.bool_],
    *,
    precision: float,
    times: int = 1,
) -> int:
    """The last rank for which the precision is proved; 0 if there is none.

    Args:
        probabilities: of the statements, descending (n,).
        correct: whether each is right (n,).
        times: count each statement this many times; the rank counts all of them.
    """
    from scipy.stats import binom

    shares = starts(times * len(correct), precision)
    if not shares:
        return 0
    ranks = _with_ties(probabilities, shares, times)
    right = times * np.cumsum(correct, dtype=np.int64)[np.array(list(ranks)) // times - 1]
    chances = binom.sf(right - 1, list(ranks), precision)
    passed, handed_on = 0, 0.0
    for (rank, share), chance in zip(ranks.items(), chances, strict=True):
        error = ERROR * (handed_on + share)
        if error > 0 and chance <= error:
            passed, handed_on = rank, handed_on + share
        else:
            handed_on = 0.0
    return passed


def starts(count: int, precision: float) -> dict[int, float]:
    """The ranks with their own share of the error, for `count` statements.

    Each rank is twice the one before. The first is the fewest statements that can prove the
    precision with its share, if all are right.
    """
    for parts in range(1, count + 1):
        ranks = list(_doubled(fewest(precision, ERROR / parts), count))
        if len(ranks) <= parts:
            return dict.fromkeys(ranks, 1 / max(len(ranks), 1))
    return {}


def fewest(precision: float, error: float) -> int:
    """The fewest statements that prove a precision if all of them are right."""
    return math.ceil(math.log(error) / math.log(precision))


def _doubled(first: int, count: int) -> Iterator[int]:
    while first <= count:
        yield first
        first *= 2


def _with_ties(
    probabilities: NDArray[np.floating], shares: dict[int, float], times: int
) -> dict[int, float]:
    """All ranks that are tested, ascending, with their own shares of the error.

    A rank includes the statements that are as probable as its last one.
    """
    count, rank = times * len(probabilities), next(iter(shares))
    ranks = set(shares) | {count}
    while rank < count:
        ranks.add(rank)
        rank = math.ceil(rank * STRIDE)
    ascending, wanted = -probabilities, sorted(ranks)
    last = np.searchsorted(ascending, ascending[(np.array(wanted) - 1) // times], side="right")
    tested: dict[int, float] = {}
    for each, tied in zip(wanted, (times * last).tolist(), strict=True):
        tested[tied] = tested.get(tied, 0.0) + shares.get(each, 0.0)
    return tested


def lower_bound(right: int, tries: int, error: float = ERROR) -> float:
    """Clopper-Pearson: the lowest success rate that is not ruled out at `error`, one-sided."""
    from scipy.stats import beta

    return float(beta.ppf(error, right, tries - right + 1)) if right else 0.0


def upper_bound(right: int, tries: int, error: float = ERROR) -> float:
    """Clopper-Pearson: the highest success rate that is not ruled out at `error`, one-sided."""
    from scipy.stats import beta

    return float(beta.ppf(1 - error, right + 1, tries - right)) if right < tries else 1.0


@dataclass(frozen=True, kw_only=True)
class Interval:
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.2f}–{self.high:.2f}"


def interval(right: int, tries: int) -> Interval:
    """Clopper-Pearson: the success rates that are not ruled out, two-sided, at CONFIDENCE."""
    return Interval(
        low=lower_bound(right, tries, ERROR / 2), high=upper_bound(right, tries, ERROR / 2)
    )


def best_precision(probabilities: NDArray[np.floating], correct: NDArray[np.bool_]) -> float:
    """The highest precision, in hundredths, that is proved for any rank; 0 if none is."""
    found = 0
    step = 64
    while step:
        tried = found + step
        if tried < 100 and proved_rank(probabilities, correct, precision=tried / 100):
            found = tried
        step //= 2
    return found / 100


def times_as_many(
    probabilities: NDArray[np.floating], correct: NDArray[np.bool_], *, precision: float
) -> int | None:
    """How many times as many statements of the same kind would prove the precision.

    None if MOST_TIMES as many are not enough: then no threshold seems to have that precision.
    """
    for times in range(2, MOST_TIMES + 1):
        if proved_rank(probabilities, correct, precision=precision, times=times):
            return times
    return None
