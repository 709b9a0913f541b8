"""The rule: what may be written, whatever the probabilities are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from common.vision.answers.rule import Rule

URIS = ("a", "b", "c")
SHARES = st.floats(0, 1, width=32)
PROBABILITIES = arrays(np.float32, st.tuples(st.integers(0, 6), st.just(3)), elements=SHARES)
THRESHOLDS = st.fixed_dictionaries(dict.fromkeys(URIS, st.none() | SHARES))


@given(PROBABILITIES, THRESHOLDS, SHARES)
def test_of_one_concept_a_picture_the_most_probable_is_written_or_none(
    probabilities: NDArray[np.float32], thresholds: dict[str, float | None], floor: float
) -> None:
    written = Rule.of("single", floor).written(probabilities, thresholds, URIS)
    assert written.shape == probabilities.shape
    assert (written.sum(axis=1) <= 1).all()
    for row, column in np.argwhere(written):
        said = probabilities[row]
        lowest = thresholds[URIS[column]]
        assert said[column] == said.max()
        assert lowest is not None
        assert said[column] >= max(lowest, floor)


@given(PROBABILITIES, THRESHOLDS, SHARES)
def test_of_several_concepts_all_that_reach_their_thresholds_and_the_floor_are_written(
    probabilities: NDArray[np.float32], thresholds: dict[str, float | None], floor: float
) -> None:
    written = Rule.of("multi", floor).written(probabilities, thresholds, URIS)
    for column, uri in enumerate(URIS):
        lowest = thresholds[uri]
        expected = np.zeros(len(probabilities), dtype=bool)
        if lowest is not None:
            expected = probabilities[:, column] >= np.float32(max(lowest, floor))
        np.testing.assert_array_equal(written[:, column], expected)


@given(PROBABILITIES, THRESHOLDS, SHARES)
def test_a_higher_floor_or_threshold_never_writes_more(
    probabilities: NDArray[np.float32], thresholds: dict[str, float | None], floor: float
) -> None:
    written = Rule.of("single", floor).written(probabilities, thresholds, URIS)
    stricter = Rule.of("single", min(1.0, floor + 0.1)).written(probabilities, thresholds, URIS)
    assert not (stricter & ~written).any()
    off = Rule.of("single", floor).written(probabilities, {**thresholds, "b": None}, URIS)
    np.testing.assert_array_equal(off, written & np.array([True, False, True]))


def test_of_equally_probable_concepts_one_is_written() -> None:
    even = np.full((1, 3), 1 / 3, dtype=np.float32)
    written = Rule.of("single", 0.2).written(even, dict.fromkeys(URIS, 0.0), URIS)
    assert written.tolist() == [[True, False, False]]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(), "each concept that reaches its threshold is written"),
        (Rule.of("multi"), "each concept that reaches its threshold and a probability of 0.2 is"),
        (Rule.of("single"), "if it reaches its threshold and a probability of 0.5"),
    ],
)
def test_the_rule_is_told_in_words(rule: Rule, words: str) -> None:
    assert words in str(rule)
