"""The bound of an audit: exact for all rows drawn from, and never above what is proved."""

import math

import pytest
from scipy.stats import hypergeom

from common.store.teaching.certificates import AUDIT_ERROR
from desk.audits.bounds import error_of, least_right, lower_bound

ERRORS = (0.05, 0.025, 0.05 / 2**10)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    ("drawn", "rows"), [(1, 1), (2, 9), (20, 147), (80, 120), (500, 5_000), (2_000, 1_000_000)]
)
def test_it_inverts_the_hypergeometric_test(drawn: int, rows: int, error: float) -> None:
    for right in {1, drawn // 3, drawn // 2, drawn - 3, drawn - 1, drawn} - {0, -1, -2}:
        bound = lower_bound(right, drawn, rows, error)
        assert hypergeom.sf(right - 1, rows, bound, drawn) > error * (1 - 1e-9)
        if bound > right:  # else what was drawn is the proof
            assert hypergeom.sf(right - 1, rows, bound - 1, drawn) <= error * (1 + 1e-9)
    assert lower_bound(0, drawn, rows, error) == 0


def test_who_has_seen_all_knows_all() -> None:
    for right in (0, 16, 37):
        assert lower_bound(right, 37, 37, 0.025) == right
    assert lower_bound(16, 20, 147, 0.025) == 86  # 58.5 %


@pytest.mark.parametrize("rows", [20, 147, 5_000, 10_000_000])
def test_more_right_ones_never_prove_less(rows: int) -> None:
    bounds = [lower_bound(right, 20, rows, 0.025) for right in range(21)]
    assert bounds == sorted(bounds)
    assert all(bound >= right for right, bound in enumerate(bounds))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("precision", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("rows", [10, 60, 70, 500, 100_000])
def test_the_fewest_that_prove_a_precision(precision: float, rows: int, error: float) -> None:
    enough = next(each for each in range(rows + 1) if each * 100 >= round(100 * precision) * rows)
    for drawn in (10, 30, 80, 500):
        if drawn > rows:
            continue
        least = least_right(drawn, rows, precision, error)
        if least is None:
            assert lower_bound(drawn, drawn, rows, error) < enough
        else:
            assert lower_bound(least, drawn, rows, error) >= enough
            assert lower_bound(least - 1, drawn, rows, error) < enough


def test_all_audits_of_the_same_rows_spend_less_than_one_could() -> None:
    spent = [error_of(attempt) for attempt in range(1, 40)]
    assert spent[:3] == [0.025, 0.0125, 0.00625]
    assert math.fsum(spent) < AUDIT_ERROR


@pytest.mark.parametrize("rows", [1, 2, 7, 40, 200])
@pytest.mark.parametrize("error", [0.025, 0.0125])
def test_it_holds_for_every_number_of_right_rows(rows: int, error: float) -> None:
    """Exactly, not by simulation: the probability of a bound above the truth is at most `error`."""
    for drawn in sorted({1, rows // 5, rows // 2, rows - 1, rows} - {0}):
        bounds = [lower_bound(right, drawn, rows, error) for right in range(drawn + 1)]
        for truly_right in range(rows + 1):
            wrong = [right for right, bound in enumerate(bounds) if bound > truly_right]
            if wrong:
                assert hypergeom.sf(wrong[0] - 1, rows, truly_right, drawn) <= error + 1e-12
