"""Heatmaps, for every family of architectures that torchvision has."""

from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import VisionTransformer, get_model_builder

from common.errors import ModelError
from common.vision.classifier import architectures, build_classifier
from common.vision.heatmap import heatmap, save_heatmap
from common.vision.preprocessing import Preprocessing

CLASSES = 3
SMALL = {
    "alexnet": 64,
    "convnext_tiny": 64,
    "densenet121": 64,
    "efficientnet_b0": 64,
    "googlenet": 64,
    "inception_v3": 107,
    "maxvit_t": 224,  # it knows no other size
    "mnasnet0_5": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "regnet_y_400mf": 64,
    "resnet18": 32,  # its last stage has one place only
    "shufflenet_v2_x0_5": 64,
    "squeezenet1_1": 48,
    "swin_t": 32,  # as resnet18
    "swin_v2_t": 64,
    "vgg11": 64,
    "vit_b_32": 96,
}


def _family(architecture: str) -> type[torch.nn.Module]:
    """The class of its classifiers, which are not built."""
    builder = get_model_builder(architecture)
    return get_type_hints(builder)["return"]


def test_every_family_is_tried() -> None:
    assert {_family(name) for name in SMALL} == {_family(name) for name in architectures()}


@pytest.mark.parametrize(("architecture", "size"), SMALL.items())
def test_the_heatmap_has_the_size_of_the_training(architecture: str, size: int) -> None:
    torch.manual_seed(0)
    classifier = build_classifier(architecture, classes=CLASSES, size=size)
    if isinstance(classifier, VisionTransformer):
        torch.nn.init.normal_(classifier.heads[-1].weight)  # they start as zero
    picture = torch.randint(0, 256, (3, size, size), dtype=torch.uint8)
    preprocessing = Preprocessing(size=size)
    for label in range(CLASSES):
        heat = heatmap(classifier, picture, preprocessing, label=label)
        assert heat.shape == (size, size)
        assert 0 <= heat.min() <= heat.max() <= 1
        if np.ptp(heat) > 0.5:
            return
    pytest.fail("for no label is one place hotter than another")


class _BrightLeft(torch.nn.Sequential):
    """Its only class is brightness; the convolution sees just that."""

    def __init__(self) -> None:
        convolution = torch.nn.Conv2d(3, 1, 1, bias=False)
        torch.nn.init.ones_(convolution.weight)
        super().__init__(
            convolution, torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
        )


def test_the_heat_is_where_the_evidence_is() -> None:
    picture = torch.zeros((3, 32, 32), dtype=torch.uint8)
    picture[:, :, :10] = 255
    heat = heatmap(_BrightLeft(), picture, Preprocessing(size=32), label=0)
    assert heat[:, :10].min() > 0.9
    assert heat[:, 10:].max() < 0.1


def test_a_patch_of_a_vision_transformer_is_where_it_is_in_the_picture() -> None:
    torch.manual_seed(0)
    classifier = VisionTransformer(
        *(64, 16), num_layers=1, num_heads=1, hidden_dim=8, mlp_dim=8, num_classes=2
    )
    torch.nn.init.zeros_(classifier.encoder.pos_embedding)  # all patches but one are the same
    torch.nn.init.normal_(classifier.heads[-1].weight)
    picture = torch.zeros((3, 64, 64), dtype=torch.uint8)
    picture[:, 16:32, 48:64] = 255
    heats = [heatmap(classifier, picture, Preprocessing(size=64), label=i) for i in range(2)]
    far_from_the_mean = np.abs(heats - np.mean(heats, axis=(1, 2), keepdims=True)).max(axis=0)
    row, column = np.unravel_index(far_from_the_mean.argmax(), (64, 64))
    assert (row // 16, column // 16) == (1, 3)


def test_pictures_too_small_for_a_heatmap_are_said() -> None:
    picture = torch.zeros((3, 1, 1), dtype=torch.uint8)
    with pytest.raises(ModelError, match="1 pixels leave nothing"):
        heatmap(_BrightLeft(), picture, Preprocessing(size=1), label=0)


def test_the_saved_picture_shows_original_and_overlay(tmp_path: Path) -> None:
    picture = torch.full((3, 32, 32), 200, dtype=torch.uint8)
    heat = torch.linspace(0, 1, 32).repeat(32, 1).numpy()
    save_heatmap(tmp_path / "h.png", picture, heat)
    with Image.open(tmp_path / "h.png") as saved:
        assert saved.size == (64, 32)
        assert saved.getpixel((5, 5)) == (200, 200, 200)
        assert saved.getpixel((63, 5)) != saved.getpixel((33, 5))
