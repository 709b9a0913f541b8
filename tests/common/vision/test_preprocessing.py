"""From pictures to tensors."""

import pytest
import torch
from PIL import Image

from common.pictures.resize import squared
from common.vision.kinds import Interpolation, ResizeMode
from common.vision.preprocessing import Preprocessing
from common.vision.served import Normalisation

SIZES = [(224, 224), (400, 301), (333, 517), (1000, 90)]
MOST_APART = 1.0  # grey levels, on average


@pytest.fixture
def wide() -> Image.Image:
    """80 x 40: red on the left half, blue on the right."""
    image = Image.new("RGB", (80, 40), "red")
    image.paste("blue", (40, 0, 80, 40))
    return image


def test_squash_keeps_both_ends_of_a_wide_picture(wide: Image.Image) -> None:
    pixels = Preprocessing(size=32, resize="squash").to_uint8(wide)
    assert pixels.shape == (3, 32, 32)
    assert pixels.dtype == torch.uint8
    assert pixels[:, 16, 0].tolist() == [255, 0, 0]
    assert pixels[:, 16, 31].tolist() == [0, 0, 255]


def test_letterbox_adds_black_above_and_below(wide: Image.Image) -> None:
    pixels = Preprocessing(size=32, resize="letterbox").to_uint8(wide)
    assert pixels[:, 0, 16].tolist() == [0, 0, 0]
    assert pixels[:, 16, 0].tolist() == [255, 0, 0]


def test_crop_keeps_the_middle(wide: Image.Image) -> None:
    wide.paste("green", (0, 0, 10, 40))  # 20 of 80 columns are cut on each side
    pixels = Preprocessing(size=32, resize="crop").to_uint8(wide)
    assert pixels[:, 16, 0].tolist() == [255, 0, 0]


def test_normalise_subtracts_the_mean_and_divides_by_the_deviation() -> None:
    preprocessing = Preprocessing(size=32, mean=(0.5, 0.0, 1.0), std=(0.5, 1.0, 2.0))
    batch = torch.full((2, 3, 32, 32), 255, dtype=torch.uint8)
    normalised = Normalisation(preprocessing)(batch)
    assert normalised.dtype == torch.float32
    assert normalised[1, :, 5, 5].tolist() == [1.0, 1.0, 0.0]


def drawn(width: int, height: int) -> torch.Tensor:
    """Waves, edges and noise: what a photograph has."""
    generator = torch.Generator().manual_seed(width)
    across = torch.linspace(0, 20, width)[None, :].sin()
    down = torch.linspace(0, 9, height)[:, None].cos()
    grey = 128 + 60 * across + 40 * down + 2 * torch.randn(height, width, generator=generator)
    grey[height // 3 :, : width // 4] = 20
    channels = torch.stack([grey, grey.flip(0), 255 - grey], dim=2)
    return channels.clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("way", "kept"), [("squash", 1.0), ("letterbox", 1.0), ("crop", 0.875)])
@pytest.mark.parametrize("size", SIZES)
def test_a_square_is_as_pillow_makes_it(
    size: tuple[int, int], way: ResizeMode, kept: float, interpolation: Interpolation
) -> None:
    pixels = drawn(*size)
    image = Image.fromarray(pixels.numpy())
    how = Preprocessing(size=128, resize=way, kept=kept, interpolation=interpolation)
    by_pillow = squared(image, how.square).tobytes()
    expected = torch.frombuffer(bytearray(by_pillow), dtype=torch.uint8).view(128, 128, 3)
    apart = (how.to_uint8(image).permute(1, 2, 0).float() - expected.float()).abs().mean()
    assert apart <= MOST_APART
