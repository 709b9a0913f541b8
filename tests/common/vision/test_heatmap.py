"""Heatmaps, for any architecture with a feature map."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.models import VisionTransformer

from common.errors import ModelError
from common.vision.classifier import build_classifier
from common.vision.heatmap import heatmap, save_heatmap
from common.vision.preprocessing import Preprocessing


@pytest.mark.parametrize(
    ("architecture", "size"),
    [
        ("resnet18", 32),  # its last stage has one place only
        ("mobilenet_v2", 64),
        ("squeezenet1_1", 48),
        ("densenet121", 64),
        ("efficientnet_b0", 64),
        ("convnext_tiny", 64),
        ("swin_t", 64),
    ],
)
def test_the_heatmap_has_the_size_of_the_training(architecture: str, size: int) -> None:
    torch.manual_seed(0)
    classifier = build_classifier(architecture, classes=3, size=size)
    picture = torch.randint(0, 256, (3, size, size), dtype=torch.uint8)
    heat = heatmap(classifier, picture, Preprocessing(size=size), label=1)
    assert heat.shape == (size, size)
    assert 0 <= heat.min() <= heat.max() <= 1


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


def test_a_vision_transformer_is_refused_clearly() -> None:
    classifier = VisionTransformer(
        image_size=32, patch_size=16, num_layers=1, num_heads=1, hidden_dim=8, mlp_dim=8
    )
    picture = torch.zeros((3, 32, 32), dtype=torch.uint8)
    with pytest.raises(ModelError, match="vision transformer"):
        heatmap(classifier, picture, Preprocessing(size=32), label=0)


def test_the_saved_picture_shows_original_and_overlay(tmp_path: Path) -> None:
    picture = torch.full((3, 32, 32), 200, dtype=torch.uint8)
    heat = torch.linspace(0, 1, 32).repeat(32, 1).numpy()
    save_heatmap(tmp_path / "h.png", picture, heat)
    with Image.open(tmp_path / "h.png") as saved:
        assert saved.size == (64, 32)
        assert saved.getpixel((5, 5)) == (200, 200, 200)
        assert saved.getpixel((63, 5)) != saved.getpixel((33, 5))
