"""Classifiers by name, and weights from files that may be anything."""

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


def test_published_features_are_loaded() -> None:
    path = SHARED_WEIGHTS / "mobilenet_v2_features.safetensors"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    weights = load_weights(build_classifier("mobilenet_v2", classes=4), path)
    assert len(weights.loaded) == 260
