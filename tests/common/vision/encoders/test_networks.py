"""Networks without heads, as their libraries prepare pictures for them."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from common.errors import ModelError, UsageError
from common.vision.encoders.networks import (
    build_network,
    dimension_of,
    load_whole,
    origin_of,
    pretrained_weights,
    split_name,
)
from common.vision.network import build_classifier

SIZE = 64
DIMENSIONS = {
    "torchvision:mobilenet_v3_small": 1024,
    "torchvision:squeezenet1_1": 512,
    "torchvision:densenet121": 1024,
    "torchvision:swin_t": 768,
    "torchvision:convnext_tiny": 768,
    "torchvision:vit_b_32": 768,
    "timm:test_efficientnet": 256,
    "timm:test_convnext": 64,
    "timm:test_resnet": 96,
    "timm:test_nfnet": 192,
}


@pytest.mark.parametrize(("name", "dimension"), DIMENSIONS.items())
def test_a_network_gives_a_row_for_each_picture(name: str, dimension: int) -> None:
    torch.manual_seed(0)
    network = build_network(name, size=SIZE).eval()
    assert dimension_of(network, size=SIZE) == dimension
    pictures = torch.randn(3, 3, SIZE, SIZE)
    with torch.inference_mode():
        rows = network(pictures)
        alone = network(pictures[1:2])
    assert rows.shape == (3, dimension)
    torch.testing.assert_close(rows[1:2], alone, rtol=1e-3, atol=1e-4)


def test_a_vision_transformer_of_timm_takes_the_size_of_its_weights() -> None:
    size = origin_of("timm:test_vit").preprocessing.size
    assert dimension_of(build_network("timm:test_vit", size=size), size=size) == 64


def test_the_features_are_what_the_head_of_a_classifier_saw() -> None:
    torch.manual_seed(0)
    classifier = build_classifier("resnet18", classes=5).eval()
    network = build_network("torchvision:resnet18", size=SIZE).eval()
    load_whole(network, classifier.state_dict(), source="the classifier")
    pictures = torch.randn(2, 3, SIZE, SIZE)
    head: nn.Linear = classifier.fc  # type: ignore[assignment]
    with torch.inference_mode():
        torch.testing.assert_close(head(network(pictures)), classifier(pictures))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:resnet19", "timm has no network 'resnet19'. Did you mean resnet1"),
        ("timm:resnet18.nobody", "timm has no network 'resnet18.nobody'"),
        ("torchvision:resnet19", "torchvision has no network 'resnet19'. Did you mean resnet1"),
        ("torchvision:resnet18.nobody", "torchvision has no network 'resnet18.nobody'"),
        ("keras:resnet18", "Give timm:NAME or torchvision:NAME"),
        ("resnet18", "Give timm:NAME or torchvision:NAME"),
        ("", "Give timm:NAME or torchvision:NAME"),
    ],
)
def test_an_unknown_network_is_named_with_its_likes(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        split_name(name)


def test_preprocessing_and_licence_are_those_of_the_weights() -> None:
    lite = origin_of("timm:tf_efficientnet_lite0.in1k")
    assert lite.licence == "apache-2.0"
    assert (lite.preprocessing.size, lite.preprocessing.kept) == (224, 0.875)
    assert lite.preprocessing.mean == lite.preprocessing.std == (0.5, 0.5, 0.5)
    mobile = origin_of("torchvision:mobilenet_v2").preprocessing
    assert (mobile.size, mobile.resize, mobile.interpolation) == (224, "crop", "bilinear")
    assert mobile.kept == 224 / 232
    first = origin_of("torchvision:mobilenet_v2.IMAGENET1K_V1").preprocessing
    assert first.kept == 0.875
    assert origin_of("timm:vit_base_patch16_clip_224.metaclip_2pt5b").licence == "cc-by-nc-4.0"
    squashed = origin_of("timm:vit_base_patch32_clip_256.datacompxl").preprocessing
    assert squashed.size == 256


def test_more_numbers_than_can_be_kept_are_refused() -> None:
    with pytest.raises(ModelError, match="4,096 numbers for a picture; at most 4,000"):
        dimension_of(build_network("torchvision:alexnet", size=SIZE), size=SIZE)


def test_a_network_that_gives_no_rows_is_refused() -> None:
    with pytest.raises(ModelError, match="not give a row of numbers"):
        dimension_of(nn.Conv2d(3, 1, 1), size=8)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    network = build_network("timm:test_efficientnet", size=SIZE)
    other = build_network("timm:test_convnext", size=SIZE).state_dict()
    with pytest.raises(ModelError, match="weights of another network: .* tensors are missing"):
        load_whole(network, other, source="the file")
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read as weights"):
        load_whole(network, path, source=str(path))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    network = build_network("timm:test_efficientnet", size=SIZE)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state["conv_stem.weight"][0] = torch.nan
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(state, path)
    with pytest.raises(ModelError, match=r"conv_stem\.weight has numbers that are not finite"):
        load_whole(network, path, source=str(path))


def test_weights_that_cannot_be_downloaded_are_asked_for_as_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The variable of this name is read once, when another test may have imported the library.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"cannot be downloaded \(.*\); give a file instead"):
        pretrained_weights("timm:test_nfnet.r160_in1k")
