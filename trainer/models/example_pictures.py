"""Example pictures: the self-test in a bundle, which runs where the model is loaded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from common.vision.preprocessing import Preprocessing
from trainer.scoring.evaluate import read_pictures

SELF_TEST_PICTURES = 512  # at most
EXAMPLE_BYTES = 40 << 20  # at most: all 512 up to 165 pixels, 278 of 224 pixels


def no_pictures(preprocessing: Preprocessing) -> torch.Tensor:
    return read_pictures([], preprocessing)


def example_pictures(
    paths: Sequence[Path],
    targets: NDArray[np.bool_],
    preprocessing: Preprocessing,
    *,
    held_out: NDArray[np.bool_],
) -> torch.Tensor:
    """Pictures of all categories, uint8 (n, 3, size, size); files that cannot be read are skipped.

    They are shuffled, so that the first few already have all categories.

    Args:
        paths: the files of all examples, (n,).
        targets: which example (row) has which category (column).
        held_out: which examples may be in the self-test, (n,): if possible those that the model was
            not trained on, since a model is more confident on training pictures.
    """
    fitting = EXAMPLE_BYTES // (3 * preprocessing.size**2)
    chosen = _spread(targets, np.flatnonzero(held_out), min(fitting, SELF_TEST_PICTURES))
    return read_pictures([paths[i] for i in chosen], preprocessing)


def _spread(targets: NDArray[np.bool_], choice: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most `count` of the positions in `choice`, spread evenly over the categories."""
    by_category = choice[np.argsort(targets[choice].argmax(axis=1), kind="stable")]
    places = np.linspace(0, len(choice) - 1, min(count, len(choice))).round().astype(np.int64)
    return np.random.default_rng(0).permutation(by_category[places])
