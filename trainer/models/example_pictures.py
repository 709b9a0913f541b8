"""Example pictures: those that travel in a bundle.

One part is the self-test: it tests the model wherever the model is loaded. The other part
calibrates int8 runtimes. No picture is in both, or the calibration would judge itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from common.vision.preprocessing import Preprocessing
from trainer.scoring.evaluate import read_pictures

SELF_TEST_PICTURES = 512  # at most
CALIBRATION_PICTURES = 128  # at most, and at most a fifth of all examples
EXAMPLE_BYTES = 40 << 20  # of both, at most: all 640 up to 147 pixels, 278 of 224 pixels


@dataclass(frozen=True, kw_only=True)
class ExamplePictures:
    """uint8 (n, 3, size, size), shuffled, so that the first few already have all categories."""

    self_test: torch.Tensor
    calibration: torch.Tensor


def no_pictures(preprocessing: Preprocessing) -> ExamplePictures:
    """The example pictures of a model without data: none."""
    none = read_pictures([], preprocessing)
    return ExamplePictures(self_test=none, calibration=none)


def example_pictures(
    paths: Sequence[Path],
    targets: NDArray[np.bool_],
    preprocessing: Preprocessing,
    *,
    unseen: NDArray[np.bool_],
) -> ExamplePictures:
    """Pictures of all categories for each part. Files that cannot be read are skipped.

    Args:
        paths: the files of all examples, (n,).
        targets: which example (row) has which category (column).
        unseen: which examples may be in the self-test, (n,): those that the model was not trained
            on, if there are any. On training pictures a model is more confident than on others.
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
    """At most `count` of the positions in `choice`, spread evenly over the categories."""
    by_category = choice[np.argsort(targets[choice].argmax(axis=1), kind="stable")]
    places = np.linspace(0, len(choice) - 1, min(count, len(choice))).round().astype(np.int64)
    return np.random.default_rng(0).permutation(by_category[places])
