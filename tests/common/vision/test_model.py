"""What a model says of a picture."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from common.errors import ModelError
from common.vision.answers.answering import is_written
from common.vision.model import Model
from common.vision.saved_model import load_bundle
from common.vision.served import Normalisation
from tests.common.vision.models import (
    THREE,
    members_of_three,
    save_three,
)


def test_probabilities_are_the_mean_over_the_members(tmp_path: Path, batch: torch.Tensor) -> None:
    model = load_bundle(tmp_path / "m", save_three(tmp_path / "m"))
    pictures = Normalisation(THREE.preprocessing)(batch)
    with torch.inference_mode():
        first, second = (member(pictures).softmax(1) for member in members_of_three(2))
    probabilities = model.probabilities(batch)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, (first + second) / 2, rtol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_temperature_and_kind_are_applied(tmp_path: Path, batch: torch.Tensor) -> None:
    description = replace(THREE, kind="multi", temperature=2.0)
    model = load_bundle(tmp_path / "m", save_three(tmp_path / "m", description, members=1))
    with torch.inference_mode():
        logits = members_of_three(1)[0](Normalisation(description.preprocessing)(batch))
    np.testing.assert_allclose(model.probabilities(batch), (logits / 2).sigmoid(), rtol=1e-5)


def test_what_reaches_its_threshold_is_written(tmp_path: Path) -> None:
    description = load_bundle(tmp_path / "m", save_three(tmp_path / "m", members=1)).description
    rows = np.array([[0.3, 0.6000001, 0.99], [0.2, 0.59, 1.0], [0.25, 0.6, 0]], dtype=np.float32)
    expected = [[True, True, False], [False, False, False], [True, True, False]]
    assert is_written(description, rows).tolist() == expected


def test_the_self_test_comes_back_and_passes(tried: Model, batch: torch.Tensor) -> None:
    assert torch.equal(tried.self_test_pictures, batch)
    np.testing.assert_allclose(tried.self_test_expected, tried.probabilities(batch), atol=1e-6)
    tried.self_test(tried.probabilities)


def test_other_probabilities_than_when_promoted_are_refused(tried: Model) -> None:
    def slightly_off(pictures: torch.Tensor) -> NDArray[np.float32]:
        found = tried.probabilities(pictures)
        found[3, 1] += 0.01
        return found

    with pytest.raises(ModelError, match=r"for 1 of 5 pictures .* by up to 0.01 but at most 0.001"):
        tried.self_test(slightly_off)
    tried.self_test(slightly_off, tolerance=0.02)  # a runtime of less precision
    with pytest.raises(ModelError, match="for 5 of 5 pictures"):
        tried.self_test(lambda pictures: np.full((len(pictures), 3), np.nan, dtype=np.float32))
