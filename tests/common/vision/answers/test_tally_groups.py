"""The tallies of several groups of pictures at once are those of each group by itself."""

import numpy as np

from common.vision.answers.tally import Tally, tallies_by

COUNT = 500


def test_each_group_has_the_tally_of_its_pictures() -> None:
    drawn = np.random.default_rng(0)
    probabilities = drawn.random((COUNT, 3), dtype=np.float32)
    probabilities[0] = 1
    unlike = drawn.random(COUNT) < 0.3
    written = (probabilities > 0.7) & ~unlike[:, np.newaxis]
    groups = drawn.choice(["", "Louvre", "Prado", "unlike"], COUNT)
    unlike |= groups == "unlike"
    written &= ~unlike[:, np.newaxis]
    found = tallies_by(
        groups.tolist(),
        confidences=probabilities.max(axis=1),
        written=written.any(axis=1),
        unlike=unlike,
    )
    assert found == {
        name: Tally.of(probabilities[of_it], written=written[of_it], unlike=unlike[of_it])
        for name in ("", "Louvre", "Prado", "unlike")
        for of_it in [groups == name]
    }
    assert found["unlike"].written == 0
    assert Tally.sum(found.values()) == Tally.of(probabilities, written=written, unlike=unlike)


def test_counts_make_the_tally_again() -> None:
    tally = Tally.of_counts((57, 1, 2, *range(1, 11)))
    assert (tally.pictures, tally.written, tally.unlike) == (57, 1, 2)
    assert Tally.of_counts(tally.counts) == tally
