"""Tables of predictions: what is read is what was written."""

from pathlib import Path

import numpy as np
import pytest

from common.vision.kinds import Kind
from trainer.scoring.predictions import Predictions, asserted, read_predictions, write_predictions

HOSTILE = ('a,b;"c"', "line\nbreak", "Karten & Pläne", "example")


def _predictions(kind: Kind) -> Predictions:
    random = np.random.default_rng(0)
    targets = np.eye(4, dtype=np.bool_)[[0, 1, 2, 3, 1]]
    if kind == "multi":
        targets[0, 2] = True
        targets[4] = False
    probabilities = random.dirichlet(np.ones(4), 5).astype(np.float32)
    keys = ("/1/a", "/1/b", 'x/"y",z.jpg', "=1+1", "é")
    return Predictions(keys=keys, targets=targets, probabilities=probabilities)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_they_come_back_to_the_last_bit(tmp_path: Path, kind: Kind) -> None:
    before = _predictions(kind)
    write_predictions(tmp_path / "p.csv", before, HOSTILE, kind)
    after = read_predictions(tmp_path / "p.csv")
    assert after.keys == before.keys
    assert (after.targets == before.targets).all()
    assert after.probabilities.tobytes() == before.probabilities.tobytes()


def test_one_category_stands_as_it_is(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.csv", _predictions("single"), ("a", "b", "c", "d"), "single")
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "example,category,predicted,a,b,c,d"
    assert lines[2].startswith("/1/b,b,")


def test_no_examples_are_no_lines(tmp_path: Path) -> None:
    nothing = Predictions(
        keys=(),
        targets=np.zeros((0, 2), dtype=np.bool_),
        probabilities=np.zeros((0, 2), dtype=np.float32),
    )
    write_predictions(tmp_path / "p.csv", nothing, ("a", "b"), "single")
    assert read_predictions(tmp_path / "p.csv").probabilities.shape == (0, 2)


def test_a_tie_asserts_one_category() -> None:
    probabilities = np.full((2, 3), 1 / 3, dtype=np.float32)
    assert asserted(probabilities, "single").sum(axis=1).tolist() == [1, 1]
    assert not asserted(probabilities, "multi").any()
