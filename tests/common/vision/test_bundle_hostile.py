"""Bundles that mean ill: each a clear error, in bounded time and memory."""

import hashlib
import json
import os
import resource
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from common.errors import ModelError
from common.vision.bundle import (
    MAX_DESCRIPTION,
    BundleFile,
    parse_description,
    read_tensors,
    sha256_of,
)
from common.vision.network import build_classifier
from common.vision.saved_model import bundle_sha256, load_bundle, save_bundle
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
        {"temperature": NAN},
        {"temperature": INFINITE},
        {"temperature": -1.0},
        {"temperature": 1e-300},
        {"thresholds": WHOLE["thresholds"] | {FIRST: "0.5"}},
        {"thresholds": WHOLE["thresholds"] | {FIRST: NAN}},
        {"thresholds": WHOLE["thresholds"] | {FIRST: INFINITE}},
        {"thresholds": WHOLE["thresholds"] | {FIRST: -0.5}},
        {"thresholds": WHOLE["thresholds"] | {FIRST: 1.5}},
        {"thresholds": WHOLE["thresholds"] | {FIRST: HUGE}},
        {"rule": {"concepts": "each", "floor": NAN}},
        {"rule": {"concepts": "each", "floor": HUGE}},
        {"temperature": HUGE},
        {"preprocessing": PICTURES | {"size": 0}},
        {"preprocessing": PICTURES | {"size": 10**9}},
        {"preprocessing": PICTURES | {"size": "96"}},
        {"preprocessing": PICTURES | {"std": [0.2, 0.0, 0.2]}},
        {"preprocessing": PICTURES | {"mean": [0.2, NAN, 0.2]}},
        {"labels": [], "concept_uris": [], "thresholds": {}},
        {"members": [{"file": "", "sha256": "0" * 64}]},
        {"members": [{"file": "x\0y", "sha256": "0" * 64}]},
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


@pytest.mark.parametrize("brackets", ["[]", ('{"a":', "}")])
@pytest.mark.parametrize("depth", [150, 300, 1_000_000])
def test_nesting_ends_in_a_description_or_an_error(depth: int, brackets: tuple[str, str]) -> None:
    opening, closing = brackets
    inside = "0" if len(opening) > 1 else ""
    deep = f'{{"a": {opening * depth}{inside}{closing * depth}}}'
    text = json.dumps(WHOLE | {"created_from": "HERE"}).replace('"HERE"', deep).encode()
    if depth < 200:
        description = parse_description(text)
        assert parse_description(description.to_json().encode()) == description
    else:
        with pytest.raises(ModelError, match="recursion limit"):
            parse_description(text)


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_link("/dev/zero"), "no regular file"),
        (_link("/dev/stdin"), "no regular file|sha256|cannot be read"),
        (_link("nowhere"), "No such file"),
        (os.mkfifo, "no regular file"),
        (Path.mkdir, "no regular file"),
        (_sparse, "allowed"),
    ],
    ids=["zero", "stdin", "nowhere", "fifo", "folder", "sparse"],
)
@pytest.mark.parametrize("name", ["model.json", "member_0.safetensors"])
def test_what_is_no_file_of_a_sane_size_is_refused_at_once(
    tmp_path: Path, name: str, make: Callable[[Path], None], problem: str
) -> None:
    sha256 = _saved(tmp_path / "m")
    (tmp_path / "m" / name).unlink()
    make(tmp_path / "m" / name)
    before, began = _peak(), time.process_time()
    with pytest.raises(ModelError, match=problem):
        load_bundle(tmp_path / "m", sha256)
    assert time.process_time() - began < 5
    assert _peak() - before < 512 << 20


def test_a_link_to_a_file_is_as_good_as_the_file(tmp_path: Path) -> None:
    sha256 = _saved(tmp_path / "m")
    member = tmp_path / "m" / "member_0.safetensors"
    member.rename(tmp_path / "elsewhere")
    member.symlink_to(tmp_path / "elsewhere")
    assert load_bundle(tmp_path / "m", sha256).sha256 == sha256


def _named(count: int) -> bytes:
    empty = json.dumps({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})
    listed = ", ".join(f'"t{number}": {empty}' for number in range(count))
    return f"{{{listed}}}".encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        struct.pack("<Q", 90 << 20) + b"{" * 100,
        struct.pack("<Q", len(_named(200_000))) + _named(200_000),
        struct.pack("<Q", 200_000) + b"[" * 200_000,
        struct.pack("<Q", 2) + b"[]",
        safetensors.torch.save({"x": torch.zeros(3)})[:-1],
        safetensors.torch.save({"x": torch.zeros(3)}).replace(b"F32", b"F99"),
        safetensors.torch.save({"x": torch.zeros(3)}).replace(b"[3]", b"[9]"),
    ],
    ids=["empty", "endless", "long", "many", "deep", "no names", "cut", "type", "shape"],
)
def test_hostile_headers_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    began = time.process_time()
    with pytest.raises(ModelError, match="cannot be read as weights"):
        read_tensors(tmp_path, BundleFile(file="x", sha256=sha256_of(content)))
    assert time.process_time() - began < 2


def test_more_weights_than_the_network_has_are_refused_before_they_are_read(
    tmp_path: Path,
) -> None:
    _saved(tmp_path / "m")
    with (tmp_path / "m" / "member_0.safetensors").open("ab") as stream:
        stream.truncate(64 << 20)
    with pytest.raises(ModelError, match="are allowed"):
        load_bundle(tmp_path / "m", bundle_sha256(tmp_path / "m"))


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"pictures": torch.zeros(()), "expected": torch.zeros(())},
        {"pictures": torch.zeros(2, 3, 32, 32), "expected": torch.zeros(2, 2)},
        {"pictures": torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "expected": torch.zeros(2, 2)},
        {
            "pictures": torch.zeros(2, 3, 32, 32, dtype=torch.uint8),
            "expected": torch.zeros(2, 2, dtype=torch.int64),
        },
    ],
    ids=["none", "scalars", "floats", "small", "integers"],
)
def test_pictures_that_do_not_fit_are_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor]
) -> None:
    _saved(tmp_path / "m")
    content = safetensors.torch.save(tensors)
    (tmp_path / "m" / "self_test.safetensors").write_bytes(content)
    description = json.loads((tmp_path / "m" / "model.json").read_text())
    file = {"file": "self_test.safetensors", "sha256": hashlib.sha256(content).hexdigest()}
    (tmp_path / "m" / "model.json").write_text(json.dumps(description | {"self_test": file}))
    with pytest.raises(ModelError, match="no self-test of this model"):
        load_bundle(tmp_path / "m", bundle_sha256(tmp_path / "m"))


def test_a_size_that_the_network_does_not_take_is_refused(tmp_path: Path) -> None:
    sizes = replace(DESCRIPTION.preprocessing, size=33)
    description = replace(DESCRIPTION, architecture="vit_b_16", preprocessing=sizes)
    file = BundleFile(file="x", sha256="0" * 64)
    text = replace(description, members=(file,)).to_json()
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ModelError, match="does not fit vit_b_16"):
        load_bundle(tmp_path, bundle_sha256(tmp_path))


def test_a_description_has_a_size(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(b" " * (MAX_DESCRIPTION + 1))
    with pytest.raises(ModelError, match="are allowed"):
        bundle_sha256(tmp_path)


def _saved(folder: Path) -> str:
    classes = len(DESCRIPTION.labels)
    classifier = build_classifier(DESCRIPTION.architecture, classes=classes)
    return save_bundle(folder, DESCRIPTION, [classifier.state_dict()])


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
