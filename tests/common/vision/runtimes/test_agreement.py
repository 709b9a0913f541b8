"""Agreement with the model: counted by most probable concepts, and by what would be written."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from structlog.testing import capture_logs

from common.errors import ModelError
from common.vision.model import Model
from common.vision.runtimes.agreement import Agreement, check_agreement, measure_agreement
from tests.common.vision.models import SIZE, model_of

EXPECTED = np.tile(np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32), (50, 1))


class _SureRuntime:
    """A runtime that says of each picture, which shows its own number, what is expected."""

    name = "sure-cpu"
    tolerance = 1.0
    batch_size = 32
    streams = 1

    def rows(self, batch: torch.Tensor) -> NDArray[np.float32]:
        return EXPECTED[batch[:, 0, 0, 0].numpy()]


RUNTIME = _SureRuntime()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with as many pictures as it takes to judge a runtime, each of its number's grey."""
    pictures = torch.arange(100, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, SIZE, SIZE)
    return model_of("squeezenet1_1", tmp_path_factory.mktemp("models") / "m", pictures=pictures)


def flipped(model: Model, pictures: int) -> Model:
    """A model that said the opposite of so many pictures when it was promoted."""
    expected = EXPECTED.copy()
    expected[:pictures] = 1 - expected[:pictures]
    return replace(model, self_test_expected=expected)


def test_one_picture_in_a_hundred_may_differ_and_no_more(model: Model) -> None:
    with capture_logs() as logs:
        check_agreement(flipped(model, 1), RUNTIME)
    assert (logs[-1]["pictures"], logs[-1]["other_most_probable_concept"]) == (100, 1)
    with pytest.raises(ModelError, match=r"concept in 98 of 100 pictures, where 99% are required"):
        check_agreement(flipped(model, 2), RUNTIME)


def with_thresholds(model: Model, thresholds: dict[str, float | None]) -> Model:
    description = replace(model.description, thresholds=thresholds)
    return replace(model, answering=replace(model.answering, description=description))


def test_what_is_written_is_counted_apart(model: Model) -> None:
    never: dict[str, float | None] = dict.fromkeys(model.description.thresholds)
    silent = with_thresholds(model, never)
    expected = Agreement(pictures=100, same_concept=93, same_written=100)
    assert measure_agreement(flipped(silent, 7), RUNTIME) == expected
    half: dict[str, float | None] = dict.fromkeys(model.description.thresholds, 0.5)
    telling = with_thresholds(model, half)
    expected = Agreement(pictures=100, same_concept=93, same_written=93)
    assert measure_agreement(flipped(telling, 7), RUNTIME) == expected


def test_too_few_pictures_to_judge_by_are_refused(model: Model) -> None:
    short = replace(
        model,
        self_test_pictures=model.self_test_pictures[:99],
        self_test_expected=model.self_test_expected[:99],
    )
    with pytest.raises(ModelError, match=f"has 99 pictures; to judge {RUNTIME.name} takes 100"):
        check_agreement(short, RUNTIME)
