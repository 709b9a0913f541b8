"""The promoted bundle: whole, or refused."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from common.errors import ModelError
from common.vision.bundle import read_description
from common.vision.model import Model
from common.vision.network import build_classifier
from common.vision.saved_model import bundle_sha256, load_bundle, save_bundle
from tests.common.vision.models import MAP, THREE, save_three


def test_a_bundle_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    model = load_bundle(tmp_path / "m", save_three(tmp_path / "m"))
    assert replace(model.description, members=()) == THREE
    assert len(model.description.members) == 2
    assert model.self_test_pictures.shape == (0, 3, 32, 32)
    model.self_test(model.probabilities)  # of nothing: passes


def test_the_same_bundle_has_the_same_sha256(tmp_path: Path) -> None:
    assert save_three(tmp_path / "one") == save_three(tmp_path / "two")


@pytest.mark.parametrize("file", ["model.json", "member_0.safetensors", "member_1.safetensors"])
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_one_changed_byte_or_missing_file_is_refused(
    tmp_path: Path, file: str, damage: str
) -> None:
    sha256 = save_three(tmp_path / "m")
    path = tmp_path / "m" / file
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.unlink()
    if damage == "changed":
        path.write_bytes(data)
    with pytest.raises(ModelError, match=file):
        load_bundle(tmp_path / "m", sha256)


def test_another_sha256_is_refused(tmp_path: Path) -> None:
    save_three(tmp_path / "m")
    with pytest.raises(ModelError, match="not the file that was saved"):
        load_bundle(tmp_path / "m", "0" * 64)


def test_changed_pictures_are_refused(tried: Model, tmp_path: Path) -> None:
    file = "self_test.safetensors"
    path = tmp_path / "m" / file
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match=f"{file} is not the file"):
        load_bundle(tmp_path / "m", tried.sha256)


def test_an_older_bundle_with_pictures_for_int8_still_loads(tried: Model, tmp_path: Path) -> None:
    path = tmp_path / "m" / "model.json"
    older = json.loads(path.read_text())
    older["calibration"] = {"file": "calibration.safetensors", "sha256": "0" * 64}
    path.write_text(json.dumps(older))
    model = load_bundle(tmp_path / "m", _sha256_of(path))
    assert torch.equal(model.self_test_pictures, tried.self_test_pictures)


def test_what_a_bundle_says_is_read_without_its_weights(tmp_path: Path) -> None:
    sha256 = save_three(tmp_path / "m")
    (tmp_path / "m" / "member_0.safetensors").unlink()
    assert read_description(tmp_path / "m", sha256).labels == THREE.labels
    assert bundle_sha256(tmp_path / "m") == sha256


def test_weights_with_other_classes_are_refused(tmp_path: Path) -> None:
    two_classes = build_classifier("squeezenet1_1", classes=2)
    sha256 = save_bundle(tmp_path / "m", THREE, [two_classes.state_dict()])
    with pytest.raises(ModelError, match="does not fit squeezenet1_1 with 3 classes"):
        load_bundle(tmp_path / "m", sha256)


def test_labels_concepts_and_thresholds_must_fit_together() -> None:
    with pytest.raises(ModelError, match="do not match"):
        replace(THREE, labels=("map", "toy"))
    with pytest.raises(ModelError, match="do not match"):
        replace(THREE, thresholds={MAP: 0.5})


def _sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
