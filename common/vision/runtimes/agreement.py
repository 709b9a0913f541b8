"""How far a runtime agrees with the model, for one that computes in int8 or float16.

Agreement is measured on the self-test: pictures that are not in the calibration, with the
probabilities that the model gave at promotion. float16 is compared with float32 on the same device.
"""

from dataclasses import dataclass

import numpy as np
import structlog
import torch

from common.errors import ModelError
from common.vision.answers.answering import is_written
from common.vision.model import Model
from common.vision.runtimes.interface import FLOAT16_TOLERANCE, Runtime
from common.vision.served import Rows

SAME_CONCEPT = 0.99  # of the pictures, at least
SAME_FEATURES = 0.999  # cosine, at least, of those of float16 and float32
FEWEST_PICTURES = 100  # fewer cannot show an agreement of 99 %
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """For how many pictures a runtime agrees with the model.

    `same_concept`: the most probable concept is the same. `same_written`: the same concepts reach
    their thresholds, so the enrichments are the same.
    """

    pictures: int
    same_concept: int
    same_written: int


def check_agreement(model: Model, runtime: Runtime) -> None:
    """Check that a runtime finds the model's most probable concept for 99 % of the pictures.

    Raises:
        ModelError: it does not, or the self-test has too few pictures.
    """
    if len(model.self_test_pictures) < FEWEST_PICTURES:
        raise ModelError(
            f"The self-test of the model has {len(model.self_test_pictures)} pictures; to judge "
            f"{runtime.name} takes {FEWEST_PICTURES}. Set WORKER_RUNTIME=auto, or promote a model "
            "that was tested with more."
        )
    found = measure_agreement(model, runtime)
    if found.same_concept < SAME_CONCEPT * found.pictures:
        raise ModelError(
            f"{runtime.name} does not agree with the model: it finds the same most probable "
            f"concept in {found.same_concept} of {found.pictures} pictures, where "
            f"{SAME_CONCEPT:.0%} are required. Set WORKER_RUNTIME=auto."
        )
    log.warning(
        "classifying in int8: precision may be lower than promised",
        runtime=runtime.name,
        pictures=found.pictures,
        other_most_probable_concept=found.pictures - found.same_concept,
        other_concepts_written=found.pictures - found.same_written,
    )


def measure_agreement(model: Model, runtime: Runtime) -> Agreement:
    """Compare the runtime's probabilities for the self-test with those at promotion."""
    expected = model.self_test_expected
    found = model.answers(_rows(model, runtime)).probabilities
    says = model.description
    same_written = is_written(says, found) == is_written(says, expected)
    return Agreement(
        pictures=len(expected),
        same_concept=int((found.argmax(axis=1) == expected.argmax(axis=1)).sum()),
        same_written=int(same_written.all(axis=1).sum()),
    )


def check_float16(model: Model, runtime: Runtime, exact: Runtime) -> None:
    """Check that float16 decides as float32 does, for every picture of the self-test.

    Raises:
        ModelError: it does not, or there is no self-test.
    """
    if not len(model.self_test_pictures):
        raise ModelError("The model has no self-test to judge float16 by.")
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
