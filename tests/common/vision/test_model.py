"""The promoted bundle: whole, or refused."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from common.errors import ModelError
from common.vision.bundle import Description
from common.vision.model import Model
from common.vision.network import build_classifier
from common.vision.preprocessing import Preprocessing
from common.vision.saved_model import bundle_sha256, load_bundle, read_description, save_bundle

MAP, TOY, TEXTILE = (f"http://data.europeana.eu/concept/{number}" for number in (43, 56, 55))
DESCRIPTION = Description(
    architecture="squeezenet1_1",
    labels=("map", "toy", "textile"),
    concept_uris=(MAP, TOY, TEXTILE),
    preprocessing=Preprocessing(size=32),
    kind="single",
    temperature=1.0,
    thresholds={MAP: 0.25, TOY: 0.6, TEXTILE: None},
    picture_source="thumbnail",
    created_from={"experiment": "test"},
)


def _members(count: int) -> list[torch.nn.Module]:
    torch.manual_seed(0)
    return [build_classifier("squeezenet1_1", classes=3).eval() for _ in range(count)]


def _save(folder: Path, description: Description = DESCRIPTION, members: int = 2) -> str:
    return save_bundle(folder, description, [each.state_dict() for each in _members(members)])


@pytest.fixture
def batch() -> torch.Tensor:
    """Five random pictures."""
    return torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)


def test_a_bundle_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    model = load_bundle(tmp_path / "m", _save(tmp_path / "m"))
    assert replace(model.description, members=()) == DESCRIPTION
    assert len(model.description.members) == 2
    assert model.self_test_pictures.shape == (0, 3, 32, 32)
    model.self_test(model.probabilities)  # of nothing: passes


def test_the_same_bundle_has_the_same_sha256(tmp_path: Path) -> None:
    assert _save(tmp_path / "one") == _save(tmp_path / "two")


def test_probabilities_are_the_mean_over_the_members(tmp_path: Path, batch: torch.Tensor) -> None:
    model = load_bundle(tmp_path / "m", _save(tmp_path / "m"))
    pictures = DESCRIPTION.preprocessing.normalise(batch)
    with torch.inference_mode():
        first, second = (member(pictures).softmax(1) for member in _members(2))
    probabilities = model.probabilities(batch)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, (first + second) / 2, rtol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_temperature_and_kind_are_applied(tmp_path: Path, batch: torch.Tensor) -> None:
    description = replace(DESCRIPTION, kind="multi", temperature=2.0)
    model = load_bundle(tmp_path / "m", _save(tmp_path / "m", description, members=1))
    with torch.inference_mode():
        logits = _members(1)[0](description.preprocessing.normalise(batch))
    np.testing.assert_allclose(model.probabilities(batch), (logits / 2).sigmoid(), rtol=1e-5)


def test_what_reaches_its_threshold_is_predicted_most_probable_first(tmp_path: Path) -> None:
    model = load_bundle(tmp_path / "m", _save(tmp_path / "m", members=1))
    row = np.array([0.3, 0.6000001, 0.99], dtype=np.float32)
    assert [each.concept_uri for each in model.predictions(row)] == [TOY, MAP]
    assert model.predictions(np.array([0.2, 0.59, 1.0], dtype=np.float32)) == []


@pytest.mark.parametrize("file", ["model.json", "member_0.safetensors", "member_1.safetensors"])
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_one_changed_byte_or_missing_file_is_refused(
    tmp_path: Path, file: str, damage: str
) -> None:
    sha256 = _save(tmp_path / "m")
    path = tmp_path / "m" / file
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.unlink()
    if damage == "changed":
        path.write_bytes(data)
    with pytest.raises(ModelError, match=file):
        load_bundle(tmp_path / "m", sha256)


def test_another_sha256_is_refused(tmp_path: Path) -> None:
    _save(tmp_path / "m")
    with pytest.raises(ModelError, match="not the file that was promoted"):
        load_bundle(tmp_path / "m", "0" * 64)


@pytest.fixture
def tried(tmp_path: Path, batch: torch.Tensor) -> Model:
    """A model with a self-test of five pictures, in tmp_path / m."""
    states = [member.state_dict() for member in _members(2)]
    sha256 = save_bundle(
        tmp_path / "m", DESCRIPTION, states, self_test=batch, calibration=batch[:2]
    )
    return load_bundle(tmp_path / "m", sha256)


def test_the_self_test_comes_back_and_passes(tried: Model, batch: torch.Tensor) -> None:
    assert torch.equal(tried.self_test_pictures, batch)
    assert torch.equal(tried.served.calibration, batch[:2])
    np.testing.assert_allclose(tried.self_test_expected, tried.probabilities(batch), atol=1e-6)
    tried.self_test(tried.probabilities)


def test_other_probabilities_than_when_promoted_are_refused(tried: Model) -> None:
    def slightly_off(pictures: torch.Tensor) -> NDArray[np.float32]:
        found = tried.probabilities(pictures)
        found[3, 1] += 0.01
        return found

    with pytest.raises(ModelError, match=r"for 1 of 5 pictures .* by up to 0.01 where 0.001"):
        tried.self_test(slightly_off)
    tried.self_test(slightly_off, tolerance=0.02)  # a runtime of less precision
    with pytest.raises(ModelError, match="for 5 of 5 pictures"):
        tried.self_test(lambda pictures: np.full((len(pictures), 3), np.nan, dtype=np.float32))


@pytest.mark.parametrize("file", ["self_test.safetensors", "calibration.safetensors"])
def test_changed_pictures_are_refused(tried: Model, tmp_path: Path, file: str) -> None:
    path = tmp_path / "m" / file
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match=f"{file} is not the file"):
        load_bundle(tmp_path / "m", tried.sha256)


def test_a_bundle_from_before_there_was_calibration_still_loads(
    tried: Model, tmp_path: Path
) -> None:
    path = tmp_path / "m" / "model.json"
    older = json.loads(path.read_text())
    del older["calibration"]
    path.write_text(json.dumps(older))
    model = load_bundle(tmp_path / "m", _sha256_of(path))
    assert torch.equal(model.self_test_pictures, tried.self_test_pictures)
    assert model.served.calibration.shape == (0, 3, 32, 32)


def test_what_a_bundle_says_is_read_without_its_weights(tmp_path: Path) -> None:
    sha256 = _save(tmp_path / "m")
    (tmp_path / "m" / "member_0.safetensors").unlink()
    assert read_description(tmp_path / "m", sha256).labels == DESCRIPTION.labels
    assert bundle_sha256(tmp_path / "m") == sha256


def test_weights_with_other_classes_are_refused(tmp_path: Path) -> None:
    two_classes = build_classifier("squeezenet1_1", classes=2)
    sha256 = save_bundle(tmp_path / "m", DESCRIPTION, [two_classes.state_dict()])
    with pytest.raises(ModelError, match="does not fit squeezenet1_1 with 3 classes"):
        load_bundle(tmp_path / "m", sha256)


def test_a_bundle_cannot_name_files_outside_its_folder(tmp_path: Path) -> None:
    _save(tmp_path / "m")
    description = json.loads((tmp_path / "m" / "model.json").read_text())
    description["members"][0]["file"] = "../secret"
    (tmp_path / "m" / "model.json").write_text(json.dumps(description))
    sha256 = _sha256_of(tmp_path / "m" / "model.json")
    with pytest.raises(ModelError, match="outside its folder"):
        load_bundle(tmp_path / "m", sha256)


def test_labels_concepts_and_thresholds_must_fit_together() -> None:
    with pytest.raises(ModelError, match="do not match"):
        replace(DESCRIPTION, labels=("map", "toy"))
    with pytest.raises(ModelError, match="do not match"):
        replace(DESCRIPTION, thresholds={MAP: 0.5})


def _sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
