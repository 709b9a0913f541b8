"""What a sample proves of all that it was drawn from: the exact bound of Clopper and Pearson.

`right` of `drawn` being right rules out every precision at which so many would be right with a
probability of at most `error`. Rows are drawn without replacement, so that their number varies less
than the binomial distribution says, and the bound is on the safe side.

Audits that may be about the same rows share 5 %: the k-th of them may err in 0.05 / 2^k of cases,
whatever came out before. So all of them together err in less than 5 %.
"""

import math
from decimal import ROUND_FLOOR, Decimal

ERROR = 0.05  # of all audits of the same rows together
CONFIDENCE = 1 - ERROR
HALVINGS = 60  # of an interval from 0 to 1: below what a float tells apart
_THOUSANDTH = Decimal("0.001")


def error_of(attempt: int) -> float:
    """What the k-th audit of the same rows may spend; `attempt` is k, from 1."""
    return math.ldexp(ERROR, -attempt)


def lower_bound(right: int, drawn: int, error: float) -> float:
    """The highest precision below which all are ruled out at `error`; never above the exact one."""
    if right == 0:
        return 0.0
    ruled_out, possible = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (ruled_out + possible) / 2
        if _chance_of_so_many(right, drawn, middle) <= error:
            ruled_out = middle
        else:
            possible = middle
    return ruled_out


def least_right(drawn: int, precision: float, error: float) -> int | None:
    """How many of the drawn rows must be right to prove a precision; None if all do not do."""
    if not _proves(drawn, drawn, precision, error):
        return None
    low, high = 0, drawn  # too few, and enough
    while high - low > 1:
        middle = (low + high) // 2
        if _proves(middle, drawn, precision, error):
            high = middle
        else:
            low = middle
    return high


def _proves(right: int, drawn: int, precision: float, error: float) -> bool:
    return right > 0 and _chance_of_so_many(right, drawn, precision) <= error


def _chance_of_so_many(right: int, drawn: int, precision: float) -> float:
    """The probability that at least `right` of the drawn rows are right; 0 < precision < 1."""
    hit, miss = math.log(precision), math.log1p(-precision)
    ways = math.lgamma(drawn + 1)
    return math.fsum(
        math.exp(
            ways
            - math.lgamma(count + 1)
            - math.lgamma(drawn - count + 1)
            + count * hit
            + (drawn - count) * miss
        )
        for count in range(right, drawn + 1)
    )


def rounded_down(precision: float) -> Decimal:
    """To a thousandth, exactly: what is shown never promises more than what is proved."""
    return Decimal(precision).quantize(_THOUSANDTH, rounding=ROUND_FLOOR)


def in_percent(precision: float) -> str:
    """As `90.3 %`, rounded down."""
    return f"{100 * rounded_down(precision):.1f} %"
