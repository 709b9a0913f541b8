"""What torch resizes looks as what Pillow resizes."""

import pytest
import torch
from PIL import Image

from common.pictures import resize
from common.pictures.resize import Square
from common.vision.resizing import squared

SIZES = [(224, 224), (400, 301), (333, 517), (1000, 90)]
MOST_APART = 1.0  # grey levels, on average


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
    size: tuple[int, int], way: str, kept: float, interpolation: str
) -> None:
    pixels = drawn(*size)
    square = Square(side=128, resize=way, kept=kept, interpolation=interpolation)
    by_pillow = resize.squared(Image.fromarray(pixels.numpy()), square).tobytes()
    expected = torch.frombuffer(bytearray(by_pillow), dtype=torch.uint8).view(128, 128, 3)
    apart = (squared(pixels, square).permute(1, 2, 0).float() - expected.float()).abs().mean()
    assert apart <= MOST_APART
