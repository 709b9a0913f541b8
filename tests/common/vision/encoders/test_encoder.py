"""An encoder on disk: whole and always the same, or refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import EnrichmentError, ModelError
from common.vision.answers.heads import halved
from common.vision.bundle import sha256_of
from common.vision.encoders.description import ENCODER_JSON, EncoderDescription, read_encoder
from common.vision.encoders.encoder import Encoder, load_encoder, save_encoder
from common.vision.encoders.networks import build_network
from common.vision.preprocessing import Preprocessing
from common.vision.runtimes import TorchRuntime, fastest_runtime

NETWORK = "timm:test_efficientnet"
PREPROCESSING = Preprocessing(size=64, resize="crop", kept=0.9)


def save(encoders: Path, *, preprocessing: Preprocessing = PREPROCESSING, seed: int = 0):
    torch.manual_seed(seed)
    state = build_network(NETWORK, size=64).state_dict()
    return save_encoder(encoders, NETWORK, state, preprocessing, source="drawn weights")


@pytest.fixture
def encoder(tmp_path: Path) -> Encoder:
    return load_encoder(tmp_path, save(tmp_path).identity)


def pictures(count: int) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, 64, 64), generator=drawn).byte()


def test_an_encoder_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    described = save(tmp_path)
    assert read_encoder(tmp_path, described.identity) == described
    assert described.dimension == 256
    assert described.preprocessing == PREPROCESSING


def test_the_identity_is_that_of_weights_and_preprocessing(tmp_path: Path) -> None:
    first = save(tmp_path).identity
    assert save(tmp_path).identity == first
    assert save(tmp_path, seed=1).identity != first
    assert save(tmp_path, preprocessing=replace(PREPROCESSING, kept=1.0)).identity != first
    assert len([*tmp_path.iterdir()]) == 3  # nothing unfinished beside them


def test_embeddings_have_length_one_and_tell_pictures_apart(encoder: Encoder) -> None:
    rows = encoder.served.rows(pictures(5))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    assert len(np.unique(halved(rows), axis=0)) == 5


@pytest.mark.parametrize("name", ["torch", "onnx"])
def test_runtimes_give_the_same_embeddings(encoder: Encoder, tmp_path: Path, name) -> None:
    if name == "onnx":
        pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    runtime = fastest_runtime(encoder.served, name, cache_dir=tmp_path / "cache")
    expected = encoder.served.rows(pictures(9))
    np.testing.assert_allclose(runtime.rows(pictures(9)), expected, atol=1e-5)


def test_a_vision_transformer_is_served_by_all_runtimes(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    torch.manual_seed(0)
    state = build_network("timm:test_vit", size=160).state_dict()
    described = save_encoder(
        tmp_path, "timm:test_vit", state, Preprocessing(size=160), source="drawn weights"
    )
    served = load_encoder(tmp_path, described.identity).served
    batch = torch.randint(0, 256, (3, 3, 160, 160), dtype=torch.uint8)
    for name in ("torch", "onnx"):
        runtime = fastest_runtime(served, name, cache_dir=tmp_path / "cache")
        np.testing.assert_allclose(runtime.rows(batch), served.rows(batch), atol=1e-4)


def test_on_a_card_an_encoder_computes_in_float32(encoder: Encoder) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    expected = encoder.served.rows(pictures(9))
    found = TorchRuntime(encoder.served, torch.device("cuda")).rows(pictures(9))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("file", [ENCODER_JSON, "weights.safetensors"])
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_one_changed_byte_or_missing_file_is_refused(
    tmp_path: Path, file: str, damage: str
) -> None:
    identity = save(tmp_path).identity
    path = tmp_path / identity / file
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.unlink()
    if damage == "changed":
        path.write_bytes(data)
    with pytest.raises(ModelError, match=file):
        load_encoder(tmp_path, identity)
    save(tmp_path)  # what does not check was never added
    load_encoder(tmp_path, identity)


@pytest.mark.parametrize("occupy", [Path.write_text, lambda path, _: path.symlink_to("nowhere")])
def test_an_occupied_place_is_named_and_nothing_is_left_behind(
    tmp_path: Path, occupy: Callable[[Path, str], object]
) -> None:
    place = tmp_path / save(tmp_path).identity
    shutil.rmtree(place)
    occupy(place, "text")
    with pytest.raises(EnrichmentError, match=f"{place.name} cannot be written: Not a directory"):
        save(tmp_path)
    assert [*tmp_path.iterdir()] == [place]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dimension": 0}, "dimension: "),
        ({"dimension": 5_000}, "dimension: "),
        ({"dimension": "256"}, "dimension: "),
        ({"precision": "int4"}, "precision: "),
        ({"network": 3}, "network: "),
        ({"unknown": 1}, "unknown: "),
    ],
    ids=str,
)
def test_a_damaged_description_is_refused(
    tmp_path: Path, change: dict[str, object], told: str
) -> None:
    described = json.loads(save(tmp_path).to_json())
    damaged = json.dumps(described | change)
    folder = tmp_path / sha256_of(damaged.encode())
    folder.mkdir()
    (folder / ENCODER_JSON).write_text(damaged)
    with pytest.raises(ModelError, match=rf"encoder\.json is damaged: {told}"):
        read_encoder(tmp_path, folder.name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "timm:test_convnext"}, "weights of another network"),
        ({"network": "timm:nothing"}, "cannot be built"),
    ],
    ids=str,
)
def test_a_description_of_another_encoder_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    described = save(tmp_path)
    other = EncoderDescription(**{**vars(described), **change})
    (tmp_path / described.identity).rename(tmp_path / other.identity)
    (tmp_path / other.identity / ENCODER_JSON).write_text(other.to_json())
    with pytest.raises(ModelError, match=message):
        load_encoder(tmp_path, other.identity)
