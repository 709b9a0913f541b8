"""The description of a model, and the files beside it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from common.errors import ModelError
from common.vision.bundle import (
    BundleFile,
    parse_description,
    read_checked,
    read_tensors,
    write_tensors,
)
from common.vision.preprocessing import Preprocessing
from tests.common.vision.models import DESCRIPTION

FILE = BundleFile(file="member_0.safetensors", sha256="0" * 64)
COMPLETE = replace(
    DESCRIPTION,
    preprocessing=Preprocessing(size=96, resize="crop", mean=(0.1, 0.2, 0.3)),
    members=(FILE,),
    self_test=FILE,
    created_from={"experiment": "run", "folds": [0, 1]},
)


def test_a_description_survives_json_to_the_last_byte() -> None:
    text = COMPLETE.to_json()
    assert parse_description(text.encode()) == COMPLETE
    assert parse_description(text.encode()).to_json() == text


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "several"},
        {"colour": "blue"},
        {"labels": None},
        {"labels": ["map"]},
        {"members": [{"file": "x"}]},
        {"preprocessing": {"size": 96, "resize": "stretch"}},
        {"preprocessing": {"size": 96, "colour": "blue"}},
        {"preprocessing": {"size": 96, "mean": None}},
    ],
    ids=str,
)
def test_a_damaged_description_is_a_model_error(damage: dict[str, object]) -> None:
    text = json.dumps(json.loads(COMPLETE.to_json()) | damage)
    with pytest.raises(ModelError, match="damaged|do not match|not between"):
        parse_description(text.encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff"])
def test_what_is_no_description_is_a_model_error(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"model\.json is damaged"):
        parse_description(content)


def test_tensors_come_back_unless_they_were_changed(tmp_path: Path) -> None:
    file = write_tensors(tmp_path / "a.safetensors", {"x": torch.arange(3)})
    assert read_tensors(tmp_path, file)["x"].tolist() == [0, 1, 2]
    with pytest.raises(ModelError, match="is not the file that was saved"):
        read_tensors(tmp_path, replace(file, sha256="0" * 64))
    with pytest.raises(ModelError, match="cannot be read"):
        read_checked(tmp_path / "gone")
