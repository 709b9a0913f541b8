"""How a picture becomes the square that a classifier sees, and the smaller file that is stored."""

from collections.abc import Callable

from PIL import Image, ImageOps

_FILTER = Image.Resampling.BICUBIC
RESIZE: dict[str, Callable[[Image.Image, tuple[int, int]], Image.Image]] = {
    "squash": lambda image, size: image.resize(size, _FILTER),
    "letterbox": lambda image, size: ImageOps.pad(image, size, _FILTER),
    "crop": lambda image, size: ImageOps.fit(image, size, _FILTER),
}
"""`squash` ignores the aspect ratio, `letterbox` adds black bars, `crop` cuts the longer side."""


def squared(image: Image.Image, side: int, resize: str) -> Image.Image:
    """An RGB picture as a square of `side` pixels."""
    return RESIZE[resize](image.convert("RGB"), (side, side))


def within(image: Image.Image, side: int) -> Image.Image:
    """A picture whose longer side has at most `side` pixels."""
    factor = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS) if size != image.size else image
