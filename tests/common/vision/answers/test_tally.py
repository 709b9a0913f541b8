"""Tallies: what is counted, summed and compared."""

import numpy as np
import pytest

from common.vision.answers.tally import BINS, DRIFTED, Tally


def of(probabilities: list[list[float]], *, least: float = 0.5, unlike: int = 0) -> Tally:
    """The tally of these probabilities; the first `unlike` pictures are unlike what was learned."""
    said = np.array(probabilities, dtype=np.float32).reshape(-1, 2)
    strange = np.arange(len(said)) < unlike
    return Tally.of(said, written=(said >= least) & ~strange[:, np.newaxis], unlike=strange)


def test_pictures_are_counted_by_what_was_said() -> None:
    found = of([[0.95, 0.05], [1.0, 0.0], [0.25, 0.75], [0.4, 0.42]], unlike=1)
    assert (found.pictures, found.written, found.unlike) == (4, 2, 1)
    assert found.confidences == (0, 0, 0, 0, 1, 0, 0, 1, 0, 1)
    assert found.confidence == pytest.approx((0.45 + 0.75 + 0.95) / 3)


def test_a_sum_is_the_tally_of_all() -> None:
    parts = [[[0.9, 0.1]] * 3, [[0.2, 0.8], [0.5, 0.5]]]
    whole = of([*parts[0], *parts[1]])
    assert Tally.sum(of(part) for part in parts) == whole
    assert Tally.sum([]).pictures == 0
    assert np.isnan(Tally.sum([]).confidence)


def test_the_same_answers_are_no_drift_and_others_are() -> None:
    chance = np.random.default_rng(0)

    def drawn(sure: float, count: int) -> Tally:
        first = chance.beta(sure, 1, count)
        return of(np.column_stack([first, 1 - first]).tolist())

    before = drawn(8, 4000)
    assert before.drift_from(before) == 0
    assert drawn(8, 4000).drift_from(before) < 0.02
    assert drawn(1, 4000).drift_from(before) > DRIFTED
    assert drawn(1, 4000).drift_from(before) == pytest.approx(
        before.drift_from(drawn(1, 4000)), rel=0.2
    )


def test_pictures_unlike_all_that_was_learned_are_drift() -> None:
    before = of([[0.9, 0.1]] * 100)
    assert of([[0.9, 0.1]] * 100, unlike=40).drift_from(before) > DRIFTED


def test_without_pictures_there_is_no_drift_to_tell() -> None:
    none = Tally(pictures=0, written=0, unlike=0, confidences=(0,) * BINS)
    assert np.isnan(none.drift_from(of([[0.9, 0.1]])))
    assert np.isnan(of([[0.9, 0.1]]).drift_from(none))


@pytest.mark.parametrize(
    "counts",
    [
        (5, 6, 0, 5, *(0,) * (BINS - 1)),
        (5, 3, 3, 2, *(0,) * (BINS - 1)),
        (5, 0, 0, 4, *(0,) * (BINS - 1)),
        (5, 0, 1, 5, *(0,) * (BINS - 1)),
    ],
    ids=["written", "written or unlike", "few confidences", "many confidences"],
)
def test_counts_that_cannot_be_of_the_same_pictures_are_refused(counts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="pictures"):
        Tally.of_counts(counts)
