"""How a picture becomes the square that a network sees, and the smaller file that is stored."""

from dataclasses import dataclass

from PIL import Image, ImageOps

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True, kw_only=True)
class Square:
    """A square of `side` pixels, and how a picture becomes it.

    `squash` ignores the aspect ratio, `letterbox` adds black bars, `crop` cuts the longer side and
    takes the middle of the rest: `kept` of its side.
    """

    side: int
    resize: str
    kept: float = 1.0
    interpolation: str = "bicubic"


def squared(image: Image.Image, square: Square) -> Image.Image:
    rgb = image if image.mode == "RGB" else image.convert("RGB")  # which would copy it
    size = (square.side, square.side)
    resample = _FILTERS[square.interpolation]
    if square.resize == "squash":
        return rgb.resize(size, resample)
    if square.resize == "letterbox":
        return ImageOps.pad(rgb, size, resample)
    return ImageOps.fit(rgb, size, resample, bleed=(1 - square.kept) / 2)


def within(image: Image.Image, side: int) -> Image.Image:
    factor = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS) if size != image.size else image
