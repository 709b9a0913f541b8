"""The pictures that travel in a bundle."""

from pathlib import Path

import numpy as np
import pytest

from common.vision.preprocessing import Preprocessing
from tests.trainer.pictures import draw
from trainer.models import example_pictures as module
from trainer.models.example_pictures import example_pictures, no_pictures

SMALL = Preprocessing(size=32)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Ten maps and ten toys."""
    files = [tmp_path / f"{number}.png" for number in range(20)]
    for number, file in enumerate(files):
        draw(("map", "toy")[number // 10], number).save(file)
    return files


def _targets() -> np.ndarray:
    return np.eye(2, dtype=np.bool_)[np.arange(20) // 10]


def test_the_self_test_has_unseen_pictures_only(paths: list[Path]) -> None:
    held_out = np.arange(20) % 2 == 0
    found = example_pictures(paths, _targets(), SMALL, held_out=held_out)
    assert len(found) == 10


def test_few_bytes_mean_few_pictures_and_unreadable_ones_are_skipped(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EXAMPLE_BYTES", 10 * 3 * 32 * 32)
    everything = np.ones(20, dtype=np.bool_)
    assert len(example_pictures(paths, _targets(), SMALL, held_out=everything)) == 10
    for path in paths:
        path.write_bytes(b"no picture")
    assert len(example_pictures(paths, _targets(), SMALL, held_out=everything)) == 0
    assert no_pictures(SMALL).shape == (0, 3, 32, 32)
