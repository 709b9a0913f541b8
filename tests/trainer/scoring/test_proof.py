"""What is proved is true, and what can be proved is found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from trainer.scoring.proof import (
    ERROR,
    best_precision,
    fewest,
    interval,
    lower_bound,
    proved_rank,
    starts,
    times_as_many,
    upper_bound,
)

DESCENDING = np.linspace(1, 0, 1000)


def test_a_precision_that_is_just_missed_is_proved_in_one_of_twenty_cases_at_most() -> None:
    chance = np.random.default_rng(0)
    tried = [
        proved_rank(DESCENDING, chance.random(1000) < 0.899, precision=0.9) for _ in range(1000)
    ]
    assert sum(rank > 0 for rank in tried) <= 70  # 50, and two deviations and a half


def test_early_mistakes_cost_little() -> None:
    right = np.random.default_rng(0).random(1000) < 0.97
    without = proved_rank(DESCENDING, right, precision=0.9)
    right[:3] = False
    assert proved_rank(DESCENDING, right, precision=0.9) >= 0.95 * without > 900


def test_all_of_a_perfect_list_is_proved_from_the_fewest_on() -> None:
    assert fewest(0.9, ERROR) == 29
    perfect = np.ones(1000, dtype=bool)
    for count in (28, 29, 60, 200, 1000):
        expected = count if count >= 29 else 0
        assert proved_rank(DESCENDING[:count], perfect[:count], precision=0.9) == expected


@given(st.lists(st.tuples(st.sampled_from([0.9, 0.8, 0.7]), st.booleans()), max_size=300))
def test_a_rank_includes_all_that_are_as_probable(drawn: list[tuple[float, bool]]) -> None:
    drawn.sort(key=lambda each: -each[0])
    probabilities = np.array([each for each, _ in drawn])
    right = np.array([each for _, each in drawn], dtype=bool)
    rank = proved_rank(probabilities, right, precision=0.6)
    if rank:
        assert rank == (probabilities >= probabilities[rank - 1]).sum()
        assert lower_bound(int(right[:rank].sum()), rank) >= 0.6


@pytest.mark.parametrize("precision", [0.5, 0.8, 0.9, 0.99])
@pytest.mark.parametrize("count", [0, 1, 29, 40, 80, 300, 5000, 100_000])
def test_the_starts_share_one_error(precision: float, count: int) -> None:
    shares = starts(count, precision)
    assert sum(shares.values()) == pytest.approx(1 if count >= fewest(precision, ERROR) else 0)
    assert all(rank <= count for rank in shares)
    for rank, share in shares.items():
        assert rank >= fewest(precision, ERROR * share) or rank != min(shares)


def test_the_best_precision_is_the_last_that_is_proved() -> None:
    right = np.random.default_rng(0).random(1000) < 0.8
    best = best_precision(DESCENDING, right)
    assert 0.7 < best < 0.9
    assert proved_rank(DESCENDING, right, precision=best)
    assert not proved_rank(DESCENDING, right, precision=best + 0.01)
    assert best_precision(DESCENDING[:0], right[:0]) == 0


def test_more_of_the_same_prove_what_few_do_not() -> None:
    right = np.arange(40) % 20 != 0
    assert not proved_rank(DESCENDING[:40], right, precision=0.9)
    times = times_as_many(DESCENDING[:40], right, precision=0.9)
    assert times is not None
    assert 2 <= times <= 20
    assert times_as_many(DESCENDING[:40], right, precision=0.99) is None


@given(
    st.lists(st.tuples(st.sampled_from([0.9, 0.8, 0.7, 0.6]), st.booleans()), max_size=60),
    st.integers(2, 20),
)
def test_times_as_many_are_as_if_each_were_there_so_often(
    drawn: list[tuple[float, bool]], times: int
) -> None:
    drawn.sort(key=lambda each: -each[0])
    probabilities = np.array([each for each, _ in drawn])
    right = np.array([each for _, each in drawn], dtype=bool)
    repeated = np.repeat(probabilities, times), np.repeat(right, times)
    expected = proved_rank(*repeated, precision=0.7)
    assert proved_rank(probabilities, right, precision=0.7, times=times) == expected


@pytest.mark.parametrize(
    ("right", "tries", "bound"),
    [
        (10, 10, 0.05 ** (1 / 10)),  # all right: the bound p solves p^10 = 0.05
        (0, 10, 0.0),
    ],
)
def test_the_lower_bound_is_that_of_clopper_and_pearson(
    right: int, tries: int, bound: float
) -> None:
    assert lower_bound(right, tries) == pytest.approx(bound)
    assert upper_bound(tries - right, tries) == pytest.approx(1 - bound)


@pytest.mark.parametrize(("right", "tries"), [(0, 0), (0, 7), (7, 7), (141, 168)])
def test_an_interval_leaves_out_a_fortieth_on_either_side(right: int, tries: int) -> None:
    found = interval(right, tries)
    assert 0 <= found.low <= found.high <= 1
    if tries:
        expected = binomtest(right, tries).proportion_ci(0.95, method="exact")
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_an_interval_is_short_to_read() -> None:
    assert str(interval(141, 168)) == "0.77–0.89"
