"""Classifiers by name, and weights from files that may be anything."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from common.errors import ModelError, UsageError
from common.vision.network import build_classifier, load_weights

SHARED_WEIGHTS = Path(__file__).resolve().parents[4] / "shared" / "weights"


@pytest.mark.parametrize(
    "architecture",
    ["resnet18", "mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5"],
)
def test_any_architecture_gets_a_head_for_the_classes(architecture: str) -> None:
    classifier = build_classifier(architecture, classes=7).eval()
    assert classifier(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


def test_a_classifier_returns_logits() -> None:
    torch.manual_seed(0)
    logits = build_classifier("shufflenet_v2_x0_5", classes=3).eval()(torch.randn(4, 3, 64, 64))
    assert not torch.allclose(logits.sum(1), torch.ones(4), atol=1e-3)
    assert (logits < 0).any()


def test_a_misspelt_architecture_is_answered_with_similar_names() -> None:
    with pytest.raises(UsageError, match="resnet18"):
        build_classifier("resnet_18", classes=3)


def test_the_body_of_a_classifier_with_other_classes_is_loaded(tmp_path: Path) -> None:
    source = build_classifier("shufflenet_v2_x0_5", classes=9)
    torch.save(source.state_dict(), tmp_path / "nine.pth")
    classifier = build_classifier("shufflenet_v2_x0_5", classes=3)
    weights = load_weights(classifier, tmp_path / "nine.pth")
    assert weights.missing == ("fc.weight", "fc.bias")
    assert weights.unexpected == ("fc.weight", "fc.bias")
    assert torch.equal(
        classifier.get_parameter("conv5.0.weight"), source.get_parameter("conv5.0.weight")
    )


@pytest.mark.parametrize("prefix", ["net.", "module."])
def test_the_prefix_of_a_wrapper_is_stripped(tmp_path: Path, prefix: str) -> None:
    source = build_classifier("shufflenet_v2_x0_5", classes=3)
    state = {prefix + name: tensor for name, tensor in source.state_dict().items()}
    torch.save(state, tmp_path / "wrapped.pth")
    weights = load_weights(
        build_classifier("shufflenet_v2_x0_5", classes=3), tmp_path / "wrapped.pth"
    )
    assert weights.missing == weights.unexpected == ()


def test_features_alone_are_loaded_from_safetensors(tmp_path: Path) -> None:
    state = build_classifier("mobilenet_v2", classes=2).features.state_dict()
    save_file({f"features.{name}": t for name, t in state.items()}, tmp_path / "f.safetensors")
    weights = load_weights(build_classifier("mobilenet_v2", classes=5), tmp_path / "f.safetensors")
    assert weights.missing == ("classifier.1.weight", "classifier.1.bias")
    assert "260 of 262 tensors loaded" in str(weights)


@pytest.mark.parametrize(
    ("of", "into"),
    [("mnasnet0_5", "shufflenet_v2_x0_5"), ("resnet34", "resnet18"), ("resnet18", "resnet34")],
)
def test_weights_of_another_architecture_are_refused(tmp_path: Path, of: str, into: str) -> None:
    torch.save(build_classifier(of, classes=3).state_dict(), tmp_path / "other.pth")
    with pytest.raises(ModelError, match="another architecture"):
        load_weights(build_classifier(into, classes=3), tmp_path / "other.pth")


class _Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_a_pickle_bomb_is_refused_and_not_executed(tmp_path: Path, writer: str) -> None:
    marker, path = tmp_path / "executed", tmp_path / "bomb.pth"
    if writer == "torch":
        torch.save({"conv1.weight": _Bomb(marker)}, path)
    else:
        path.write_bytes(pickle.dumps(_Bomb(marker)))
    with pytest.raises(ModelError, match="not a plain state dict"):
        load_weights(build_classifier("shufflenet_v2_x0_5", classes=3), path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing", b"\xff" * 64])
def test_a_damaged_file_is_a_model_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=name):
        load_weights(build_classifier("squeezenet1_1", classes=3), tmp_path / name)


def test_a_missing_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no weight file"):
        load_weights(build_classifier("squeezenet1_1", classes=3), tmp_path / "gone.pth")


def test_a_list_of_tensors_is_not_a_state_dict(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(ModelError, match="not a plain state dict"):
        load_weights(build_classifier("squeezenet1_1", classes=3), tmp_path / "list.pth")


def test_published_features_are_loaded() -> None:
    path = SHARED_WEIGHTS / "mobilenet_v2_features.safetensors"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    weights = load_weights(build_classifier("mobilenet_v2", classes=4), path)
    assert len(weights.loaded) == 260
