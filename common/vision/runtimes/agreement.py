"""How far a runtime agrees with the model, for one that computes in int8.

Agreement is measured on the self-test: pictures that are not in the calibration, with the
probabilities that the model gave at promotion.
"""

from dataclasses import dataclass

import numpy as np
import structlog
import torch

from common.errors import ModelError
from common.vision.answers.answering import is_written
from common.vision.model import Model
from common.vision.runtimes.interface import Runtime

SAME_CONCEPT = 0.99  # of the pictures, at least
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
    parts = torch.split(model.self_test_pictures, runtime.batch_size)
    rows = np.concatenate([runtime.rows(part) for part in parts])
    found = model.answers(rows).probabilities
    says = model.description
    same_written = is_written(says, found) == is_written(says, expected)
    return Agreement(
        pictures=len(expected),
        same_concept=int((found.argmax(axis=1) == expected.argmax(axis=1)).sum()),
        same_written=int(same_written.all(axis=1).sum()),
    )
