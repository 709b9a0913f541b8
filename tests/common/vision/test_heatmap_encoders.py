"""Heatmaps of an encoder and its head together, for networks of both libraries."""

import numpy as np
import pytest
import torch

from common.vision.encoders.networks import build_network, dimension_of
from common.vision.heatmap import HeatmapMaker
from common.vision.network import EmbeddingHead, HeadedNetwork
from common.vision.preprocessing import Preprocessing

CLASSES = 3
SMALL = {
    "timm:test_efficientnet": 96,
    "timm:test_convnext": 96,
    "timm:test_resnet": 96,
    "timm:test_vit": 160,  # a class token
    "timm:test_vit3": 160,  # no class token: attention makes one of all patches
    "timm:swin_tiny_patch4_window7_224": 224,  # channels come last
    "torchvision:mobilenet_v3_small": 96,
    "torchvision:vit_b_32": 96,
}


@pytest.mark.parametrize(("name", "size"), SMALL.items())
def test_a_head_on_an_encoder_is_looked_at(name: str, size: int) -> None:
    torch.manual_seed(0)
    network = build_network(name, size=size).eval()
    weights = np.random.default_rng(0).normal(size=(CLASSES, dimension_of(network, size=size)))
    headed = HeadedNetwork(network, EmbeddingHead(weights, np.zeros(CLASSES)))
    picture = torch.randint(0, 256, (3, size, size), dtype=torch.uint8)
    maker = HeatmapMaker([headed], Preprocessing(size=size))
    heats = maker.heatmaps(picture.expand(CLASSES, -1, -1, -1), list(range(CLASSES)))
    assert heats.shape == (CLASSES, size, size)
    assert 0 <= heats.min() <= heats.max() <= 1
    assert np.ptp(heats, axis=(1, 2)).max() > 0.5, "for no label is one place hotter than another"
