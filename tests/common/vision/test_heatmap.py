"""Heatmaps, for every family of architectures that torchvision has."""

from concurrent.futures import ThreadPoolExecutor
from typing import get_type_hints

import numpy as np
import pytest
import torch
from torchvision.models import VisionTransformer, get_model_builder

from common.errors import ModelError
from common.vision.heatmap import HeatmapMaker, side_by_side
from common.vision.network import architectures, build_classifier
from common.vision.preprocessing import Preprocessing
from common.vision.served import Normalisation
from tests.forking import ran_source

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
    maker = HeatmapMaker([classifier], preprocessing)
    heats = maker.heatmaps(picture.expand(CLASSES, -1, -1, -1), list(range(CLASSES)))
    assert heats.shape == (CLASSES, size, size)
    assert 0 <= heats.min() <= heats.max() <= 1
    assert np.ptp(heats, axis=(1, 2)).max() > 0.5, "for no label is one place hotter than another"


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
    (heat,) = HeatmapMaker([_BrightLeft()], Preprocessing(size=32)).heatmaps(picture[None], [0])
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
    maker = HeatmapMaker([classifier], Preprocessing(size=64))
    heats = maker.heatmaps(torch.stack([picture, picture]), [0, 1])
    far_from_the_mean = np.abs(heats - np.mean(heats, axis=(1, 2), keepdims=True)).max(axis=0)
    row, column = np.unravel_index(far_from_the_mean.argmax(), (64, 64))
    assert (row // 16, column // 16) == (1, 3)


def test_pictures_too_small_for_a_heatmap_are_said() -> None:
    with pytest.raises(ModelError, match="1 pixels are too small"):
        HeatmapMaker([_BrightLeft()], Preprocessing(size=1))


def test_the_picture_stands_beside_its_overlay() -> None:
    picture = torch.full((3, 32, 32), 200, dtype=torch.uint8)
    heat = torch.linspace(0, 1, 32).repeat(32, 1).numpy()
    image = side_by_side(picture, heat)
    assert image.size == (64, 32)
    assert image.getpixel((5, 5)) == (200, 200, 200)
    assert image.getpixel((63, 5)) != image.getpixel((33, 5))


def drawn_pictures(count: int, size: int) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), generator=drawn).byte()


def test_an_ensemble_looks_where_its_members_look_on_average() -> None:
    torch.manual_seed(0)
    preprocessing, labels, pictures = Preprocessing(size=48), [0, 1, 0], drawn_pictures(3, 48)
    members = [build_classifier("squeezenet1_1", classes=2, size=48) for _ in range(2)]
    alone = [HeatmapMaker([each], preprocessing).heatmaps(pictures, labels) for each in members]
    together = HeatmapMaker(members, preprocessing).heatmaps(pictures, labels)
    assert np.abs(alone[0] - alone[1]).max() > 0.1
    assert together == pytest.approx(np.mean(alone, axis=0), abs=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_classifier_on_a_gpu_is_looked_at_there() -> None:
    torch.manual_seed(0)
    classifier = build_classifier("resnet18", classes=2, size=64)
    preprocessing, pictures = Preprocessing(size=64), drawn_pictures(4, 64)
    here = HeatmapMaker([classifier], preprocessing).heatmaps(pictures, [0, 1, 0, 1])
    maker = HeatmapMaker([classifier.to("cuda", memory_format=torch.channels_last)], preprocessing)
    assert maker._members[0].device.type == "cuda"
    assert maker.heatmaps(pictures, [0, 1, 0, 1]) == pytest.approx(here, abs=0.02)


def test_a_classifier_in_service_is_not_touched_and_not_held_in_memory_twice() -> None:
    """Heatmaps are made in other threads than probabilities, of the same weights."""
    torch.manual_seed(0)
    classifier = build_classifier("resnet18", classes=2, size=64).eval()
    preprocessing, pictures = Preprocessing(size=64), drawn_pictures(4, 64)
    pixels = Normalisation(preprocessing)(pictures)
    expected = HeatmapMaker([classifier], preprocessing).heatmaps(pictures, [0, 1, 0, 1])
    maker = HeatmapMaker([classifier], preprocessing)
    with ThreadPoolExecutor() as threads:
        others = [threads.submit(classifier, pixels[:2]) for _ in range(8)]
        heats = maker.heatmaps(pictures, [0, 1, 0, 1])
        outputs = [each.result() for each in others]
    assert heats == pytest.approx(expected, abs=1e-5)
    assert all(torch.equal(outputs[0], output) for output in outputs)
    assert all(each.grad is None and each.requires_grad for each in classifier.parameters())
    weights = {each.data_ptr() for each in classifier.parameters()}
    (copy,) = [each.model for each in maker._members]
    assert {each.data_ptr() for each in copy.parameters()} == weights


def test_the_library_is_loaded_by_the_first_heatmap() -> None:
    """It brings matplotlib, scikit-learn and OpenCV, which most starts do not need."""
    told = ran_source("import sys, common.vision.heatmap; print('pytorch_grad_cam' in sys.modules)")
    assert told.stdout == "False\n", told.stderr
