"""The pictures that travel in a bundle: some to test the model by, others to calibrate runtimes of
less precision by. None of them is in both parts, or the calibration would be its own judge."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from common.vision.preprocessing import Preprocessing
from trainer.scoring.classify import read_pictures

SELF_TEST_PICTURES = 512  # at most
CALIBRATION_PICTURES = 128  # at most, and a fifth of what there is
EXAMPLE_BYTES = 40 << 20  # of both, at most: all of them up to 147 pixels, 278 of 224


@dataclass(frozen=True, kw_only=True)
class ExamplePictures:
    """uint8 (n, 3, size, size), in no order: the first few are of all categories too."""

    self_test: torch.Tensor
    calibration: torch.Tensor


def no_pictures(preprocessing: Preprocessing) -> ExamplePictures:
    """Of a model without data."""
    none = read_pictures([], preprocessing)
    return ExamplePictures(self_test=none, calibration=none)


def example_pictures(
    paths: Sequence[Path],
    targets: NDArray[np.bool_],
    preprocessing: Preprocessing,
    *,
    unseen: NDArray[np.bool_],
) -> ExamplePictures:
    """Some pictures of all categories for each part, as far as their files can be read.

    Args:
        paths: of all examples.
        targets: which example (row) has which category (column).
        unseen: which examples may be in the self-test: those that the model was not trained on, if
            there are any. Of what it was trained on it is surer than of other pictures.
    """
    fitting = EXAMPLE_BYTES // (3 * preprocessing.size**2)
    most = min(fitting, SELF_TEST_PICTURES + CALIBRATION_PICTURES, len(targets))
    calibrating = min(most // 5, CALIBRATION_PICTURES)
    self_test = _spread(targets, np.flatnonzero(unseen), most - calibrating)
    others = np.setdiff1d(np.arange(len(targets)), self_test)
    calibration = _spread(targets, others, calibrating)
    return ExamplePictures(
        self_test=read_pictures([paths[i] for i in self_test], preprocessing),
        calibration=read_pictures([paths[i] for i in calibration], preprocessing),
    )


def _spread(targets: NDArray[np.bool_], choice: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """So many of the choice, or all of it."""
    by_category = choice[np.argsort(targets[choice].argmax(axis=1), kind="stable")]
    places = np.linspace(0, len(choice) - 1, min(count, len(choice))).round().astype(np.int64)
    return np.random.default_rng(0).permutation(by_category[places])
