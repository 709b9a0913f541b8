"""Damaged bundles: each a clear error."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from common.errors import ModelError
from common.vision.bundle import (
    BundleFile,
    parse_description,
    read_tensors,
    sha256_of,
)
from common.vision.saved_model import bundle_sha256, load_bundle
from tests.common.vision.models import DESCRIPTION

NAN, INFINITE = float("nan"), float("inf")
WHOLE = json.loads(DESCRIPTION.to_json())
(FIRST, *_) = DESCRIPTION.concept_uris
PICTURES = WHOLE["preprocessing"]
SAID = {"pictures": 5, "written": 1, "unlike": 2, "confidences": [0] * 9 + [3]}
PROMISE = {
    "precision": 0.9,
    "confidence": 0.95,
    "providers": {"Museum": 5},
    "measured_on": "own pictures",
    "said": SAID,
}
HUGE = 10**400


@pytest.mark.parametrize(
    "damage",
    [
        {"temperature": "1.0"},
        {"thresholds": WHOLE["thresholds"] | {FIRST: "0.5"}},
        {"thresholds": WHOLE["thresholds"] | {FIRST: NAN}},
        {"thresholds": WHOLE["thresholds"] | {FIRST: INFINITE}},
        {"thresholds": WHOLE["thresholds"] | {FIRST: -0.5}},
        {"thresholds": WHOLE["thresholds"] | {FIRST: 1.5}},
        {"thresholds": WHOLE["thresholds"] | {FIRST: HUGE}},
        {"rule": {"concepts": "each", "floor": NAN}},
        {"rule": {"concepts": "each", "floor": HUGE}},
        {"preprocessing": PICTURES | {"size": "96"}},
        {"members": [{"file": "x", "sha256": "0"}]},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(damage: dict[str, object]) -> None:
    with pytest.raises(ModelError) as caught:
        parse_description(json.dumps(WHOLE | damage).encode())
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "damage",
    [
        {"precision": NAN},
        {"precision": 0},
        {"precision": HUGE},
        {"confidence": 1e308},
        {"confidence": 1},
        {"providers": {"Museum": -5}},
        {"providers": {"Museum": HUGE}},
        {"providers": {"Mu\nseum": 5}},
        {"providers": {"Museum\n": 5}},
        {"providers": {"\x1b[2J": 5}},
        {"providers": {"\u009b2J": 5}},
        {"providers": {"x" * 301: 5}},
        {"providers": {str(number): 1 for number in range(10_001)}},
        {"said": SAID | {"pictures": HUGE}},
        {"said": SAID | {"pictures": -1}},
        {"said": SAID | {"written": 4}},
        {"said": SAID | {"unlike": 1}},
        {"said": SAID | {"confidences": [0] * 9 + [4]}},
        {"said": SAID | {"pictures": 2 + HUGE, "confidences": [0] * 9 + [HUGE]}},
        {"said": SAID | {"pictures": 2**54 + 2, "confidences": [0] * 9 + [2**54]}},
    ],
    ids=lambda damage: str(damage)[:40],
)
def test_a_promise_out_of_range_is_refused(damage: dict[str, object]) -> None:
    whole = parse_description(json.dumps(WHOLE | {"promise": PROMISE}).encode())
    assert parse_description(whole.to_json().encode()) == whole
    with pytest.raises(ModelError, match=r"is damaged: promise") as caught:
        parse_description(json.dumps(WHOLE | {"promise": PROMISE | damage}).encode())
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        struct.pack("<Q", 2) + b"[]",
        safetensors.torch.save({"x": torch.zeros(3)})[:-1],
        safetensors.torch.save({"x": torch.zeros(3)}).replace(b"F32", b"F99"),
        safetensors.torch.save({"x": torch.zeros(3)}).replace(b"[3]", b"[9]"),
    ],
    ids=["empty", "endless", "no names", "cut", "type", "shape"],
)
def test_damaged_headers_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read as weights"):
        read_tensors(tmp_path, BundleFile(file="x", sha256=sha256_of(content)))


def test_a_size_that_the_network_does_not_take_is_refused(tmp_path: Path) -> None:
    sizes = replace(DESCRIPTION.preprocessing, size=33)
    description = replace(DESCRIPTION, architecture="vit_b_16", preprocessing=sizes)
    file = BundleFile(file="x", sha256="0" * 64)
    text = replace(description, members=(file,)).to_json()
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ModelError, match="does not fit vit_b_16"):
        load_bundle(tmp_path, bundle_sha256(tmp_path))
