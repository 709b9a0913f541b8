"""What a sample proves about all rows that it was drawn from: the exact hypergeometric bound.

Rows are drawn without replacement from a finite number of rows, and `right` of the `drawn` rows are
right. A number of right rows among all is ruled out if it gives so many right ones with a
probability of at most `error`. This inverts the one-sided test (J. P. Buonaccorsi, A note on
confidence intervals for proportions in finite populations, The American Statistician 41, 1987). So
37 right of 37 prove all 37. The bound is computed in whole numbers, without rounding.

Audits that may be about the same rows share an error of 5 %. The k-th of them may be wrong in
0.05 / 2^k of cases, whatever the earlier ones showed. So all of them together are wrong in less
than 5 % of cases.
"""

import math
from bisect import bisect_left, bisect_right
from decimal import Decimal

from common.store.teaching.certificates import AUDIT_ERROR


def error_of(attempt: int) -> float:
    """The error that the k-th audit of the same rows may use; `attempt` is k, from 1."""
    return math.ldexp(AUDIT_ERROR, -attempt)


def lower_bound(right: int, drawn: int, rows: int, error: float) -> int:
    """The smallest number of right rows among all that is not ruled out at `error`."""
    candidates = range(rows - drawn + right + 1)  # without the drawn rows that are wrong
    return bisect_left(
        candidates,
        True,
        lo=right,
        hi=len(candidates) - 1,
        key=lambda good: not _is_ruled_out(good, right, drawn, rows, error),
    )


def least_right(drawn: int, rows: int, precision: float, error: float) -> int | None:
    """How many drawn rows must be right to prove a precision; None if all are not enough."""
    too_few = math.ceil(Decimal(str(precision)) * rows) - 1  # right rows among all, to rule out
    least = bisect_right(
        range(drawn + 1),
        False,
        key=lambda right: _is_ruled_out(too_few, right, drawn, rows, error),
    )
    return least if least <= drawn else None


def _is_ruled_out(good: int, right: int, drawn: int, rows: int, error: float) -> bool:
    """If `good` of all rows are right: whether `right` or more right ones are drawn with a
    probability of at most `error`."""
    numerator, denominator = error.as_integer_ratio()
    first = max(right, drawn - (rows - good))
    if first > min(good, drawn):
        return True
    ways = math.comb(good, first) * math.comb(rows - good, drawn - first)
    so_many = 0
    for count in range(first, min(good, drawn) + 1):
        so_many += ways
        ways = ways * (good - count) * (drawn - count)
        ways //= (count + 1) * (rows - good - drawn + count + 1)
    return so_many * denominator <= numerator * math.comb(rows, drawn)
