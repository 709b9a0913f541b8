"""How far float16 agrees with float32 on the same device, by the self-test of the model."""

import numpy as np
import torch

from common.errors import ModelError
from common.vision.model import Model
from common.vision.runtimes.interface import FLOAT16_TOLERANCE, Runtime
from common.vision.served import Rows

SAME_FEATURES = 0.999  # cosine, at least, of those of float16 and float32


def check_float16(model: Model, runtime: Runtime, exact: Runtime) -> None:
    """Check that float16 decides as float32 does, for every picture of the self-test.

    Raises:
        ModelError: it does not, or there is no self-test.
    """
    if not len(model.self_test_pictures):
        raise ModelError("The model has no self-test to check float16 with.")
    rows, exact_rows = _rows(model, runtime), _rows(model, exact)
    found, expected = model.answers(rows), model.answers(exact_rows)
    off = np.abs(found.probabilities - expected.probabilities).max(axis=1)
    features = (rows - exact_rows)[:, expected.probabilities.shape[1] :]
    alike = (
        (off <= FLOAT16_TOLERANCE)
        & (found.probabilities.argmax(axis=1) == expected.probabilities.argmax(axis=1))
        & (found.written == expected.written).all(axis=1)
        & (found.unlike == expected.unlike)
        & ((features**2).sum(axis=1) <= 2 * (1 - SAME_FEATURES))  # both have length 1
    )
    if not alike.all():  # what is no number is not alike
        raise ModelError(
            f"{runtime.name} does not agree with {exact.name} for {(~alike).sum()} of {len(alike)} "
            f"pictures of the self-test; probabilities differ by up to {off.max():.2g}."
        )


def _rows(model: Model, runtime: Runtime) -> Rows:
    parts = torch.split(model.self_test_pictures, runtime.batch_size)
    return np.concatenate([runtime.rows(part) for part in parts])
