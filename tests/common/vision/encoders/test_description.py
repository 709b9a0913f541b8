"""What an encoder is can be read, and its files checked, without its network."""

import hashlib
from pathlib import Path

import pytest

from common.errors import ModelError
from common.vision.bundle import BundleFile
from common.vision.encoders.description import (
    ENCODER_JSON,
    EncoderDescription,
    check_encoder,
    read_encoder,
)
from common.vision.preprocessing import Preprocessing

WEIGHTS = b"any bytes: they are not read as weights here"
DESCRIBED = EncoderDescription(
    network="timm:test_efficientnet",
    weights=BundleFile(file="weights.safetensors", sha256=hashlib.sha256(WEIGHTS).hexdigest()),
    preprocessing=Preprocessing(size=64),
    dimension=256,
)


def saved(encoders: Path, described: EncoderDescription = DESCRIBED) -> str:
    folder = encoders / described.identity
    folder.mkdir()
    (folder / ENCODER_JSON).write_text(described.to_json())
    (folder / "weights.safetensors").write_bytes(WEIGHTS)
    return described.identity


def test_a_description_comes_back(tmp_path: Path) -> None:
    identity = saved(tmp_path)
    assert read_encoder(tmp_path, identity) == check_encoder(tmp_path, identity) == DESCRIBED


@pytest.mark.parametrize("file", [ENCODER_JSON, "weights.safetensors"])
def test_a_missing_or_changed_file_is_told_with_what_mends_it(tmp_path: Path, file: str) -> None:
    identity = saved(tmp_path)
    path = tmp_path / identity / file
    path.write_bytes(path.read_bytes() + b"?")
    with pytest.raises(ModelError, match=rf"{file} is not the file.*trainer encoders add"):
        check_encoder(tmp_path, identity)
    path.unlink()
    with pytest.raises(ModelError, match=rf"{file} cannot be read"):
        check_encoder(tmp_path, identity)
