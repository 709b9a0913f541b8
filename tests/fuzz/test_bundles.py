"""Mutated descriptions and weights of models."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from common.errors import ModelError
from common.vision.bundle import BundleFile, parse_description, read_tensors, sha256_of
from common.vision.network import build_classifier
from common.vision.saved_model import bundle_sha256, load_bundle, save_bundle
from tests.common.vision.models import DESCRIPTION, SIZE
from tests.fuzz.trying import TIMEOUT, try_mutations

pytestmark = [pytest.mark.slow, pytest.mark.fuzz, pytest.mark.timeout(TIMEOUT)]
FILE = BundleFile(file="member_0.safetensors", sha256="0" * 64)
DESCRIPTIONS = (
    DESCRIPTION,
    replace(DESCRIPTION, members=(FILE, FILE), self_test=FILE, calibration=FILE),
    replace(DESCRIPTION, created_from={"folds": [0, 1, {"a": None}], "text": "é"}),
)
TENSORS = (
    {"pictures": torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "expected": torch.zeros(1, 2)},
    {"x": torch.zeros(3), "y": torch.zeros((2, 0), dtype=torch.bfloat16)},
    {},
)


def test_a_mutated_description_is_one_or_an_error() -> None:
    def try_one(content: bytes) -> None:
        try:
            description = parse_description(content)
        except ModelError as error:
            assert len(str(error)) < 5000
        else:
            text = description.to_json()
            assert parse_description(text.encode()).to_json() == text

    try_mutations([each.to_json().encode() for each in DESCRIPTIONS], try_one, seconds_each=5)


def test_mutated_weights_are_tensors_or_an_error(tmp_path: Path) -> None:
    """Both as tensors, and as the self-test of a whole bundle."""
    classifier = build_classifier(DESCRIPTION.architecture, classes=2)
    drawn = torch.zeros(2, 3, SIZE, SIZE, dtype=torch.uint8)
    save_bundle(tmp_path / "m", DESCRIPTION, [classifier.state_dict()], self_test=drawn)
    path = tmp_path / "m" / "self_test.safetensors"
    described = json.loads((tmp_path / "m" / "model.json").read_text())

    def try_one(content: bytes) -> None:
        path.write_bytes(content)
        file = BundleFile(file=path.name, sha256=sha256_of(content))
        try:
            read_tensors(tmp_path / "m", file)
        except ModelError:
            return
        described["self_test"]["sha256"] = file.sha256
        (tmp_path / "m" / "model.json").write_text(json.dumps(described))
        try:
            model = load_bundle(tmp_path / "m", bundle_sha256(tmp_path / "m"))
            model.self_test(model.probabilities)
        except ModelError:
            pass

    seeds = [path.read_bytes(), *map(safetensors.torch.save, TENSORS)]
    try_mutations(seeds, try_one, seconds_each=20)
