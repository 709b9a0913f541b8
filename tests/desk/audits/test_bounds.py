"""The bound of an audit: exact, and never above what is proved."""

import math
from decimal import Decimal

import pytest
from scipy.stats import beta, binom, hypergeom

from desk.audits.bounds import (
    ERROR,
    error_of,
    in_percent,
    least_right,
    lower_bound,
    rounded_down,
)

ERRORS = (0.05, 0.025, 0.05 / 2**10)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("drawn", [1, 2, 30, 80, 500, 2_000])
def test_it_is_that_of_clopper_and_pearson(drawn: int, error: float) -> None:
    for right in {1, drawn // 3, drawn // 2, drawn - 3, drawn - 1, drawn} - {0, -1, -2}:
        expected = beta.ppf(error, right, drawn - right + 1)
        assert lower_bound(right, drawn, error) == pytest.approx(expected, rel=1e-9)
    assert lower_bound(0, drawn, error) == 0.0


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("precision", [0.8, 0.9, 0.95])
def test_the_fewest_that_prove_a_precision(precision: float, error: float) -> None:
    for drawn in (10, 30, 80, 500):
        least = least_right(drawn, precision, error)
        proving = [
            right for right in range(drawn + 1) if binom.sf(right - 1, drawn, precision) <= error
        ]
        assert least == (proving[0] if proving else None)
        if least is not None:
            assert lower_bound(least, drawn, error) >= precision - 1e-12
            assert lower_bound(least - 1, drawn, error) < precision


def test_all_audits_of_the_same_rows_spend_less_than_one_could() -> None:
    spent = [error_of(attempt) for attempt in range(1, 40)]
    assert spent[:3] == [0.025, 0.0125, 0.00625]
    assert math.fsum(spent) < ERROR


@pytest.mark.parametrize("rows", [1, 2, 7, 40, 200])
@pytest.mark.parametrize("error", [0.025, 0.0125])
def test_drawn_without_replacement_it_holds_for_every_number_of_right_rows(
    rows: int, error: float
) -> None:
    """Exactly, not by simulation: the probability of a bound above the truth is at most `error`."""
    for drawn in sorted({1, rows // 5, rows // 2, rows - 1, rows} - {0}):
        bounds = [lower_bound(right, drawn, error) for right in range(drawn + 1)]
        for truly_right in range(rows + 1):
            wrong = [right for right, bound in enumerate(bounds) if bound > truly_right / rows]
            if wrong:
                least = wrong[0]
                assert hypergeom.sf(least - 1, rows, truly_right, drawn) <= error + 1e-12


@pytest.mark.parametrize(
    ("precision", "shown"),
    [
        (0.90399999, "90.3 %"),
        (math.nextafter(0.903, 0), "90.2 %"),
        (0.999999, "99.9 %"),
        (1.0, "100.0 %"),
        (0.0, "0.0 %"),
    ],
)
def test_rounding_never_promises_more(precision: float, shown: str) -> None:
    assert in_percent(precision) == shown
    assert rounded_down(precision) <= Decimal(precision)
