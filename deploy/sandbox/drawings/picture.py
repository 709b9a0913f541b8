"""Pictures drawn by code, like those of a museum's photographers: no two are alike.

`draw_picture` puts one motif on a background and imitates a camera: the picture is turned a little,
off centre, near or far, tinted or black and white, blurred, noisy, or unevenly lit. The same
category, number and seed give the same bytes.
"""

import io
from collections.abc import Callable
from functools import lru_cache
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from deploy.sandbox.drawings.colours import ANY, BLUE, GREEN, Box, Colour, colour, shade
from deploy.sandbox.drawings.object_motifs import draw_building, draw_jewel, draw_vessel
from deploy.sandbox.drawings.sheet_motifs import draw_map, draw_painting, draw_tapestry

MOTIFS: dict[str, Callable[[ImageDraw.ImageDraw, Box, Random], None]] = {
    "building": draw_building,
    "ceramics": draw_vessel,
    "jewellery": draw_jewel,
    "map": draw_map,
    "painting": draw_painting,
    "tapestry": draw_tapestry,
}

SHEETS = {"map", "painting", "tapestry"}  # these may fill the picture


@lru_cache(maxsize=1024)  # about 30 MB
def draw_picture(category: str, number: int, seed: int) -> bytes:
    """The JPEG of one drawn object, 320 x 240 to 640 x 480 pixels, either way up."""
    rng = Random(f"{seed}/{category}/{number}")
    size = _picture_size(rng)
    picture = _draw_background(size, rng, category)
    if category != "building" and rng.random() < 0.2:
        _draw_colour_chart(picture, rng)
    plate = Image.new("RGBA", size)
    MOTIFS[category](ImageDraw.Draw(plate), _place(category, size, rng), rng)
    plate = plate.rotate(rng.gauss(0, 3), Image.Resampling.BILINEAR)
    picture.paste(plate, mask=plate)
    jpeg = io.BytesIO()
    _photograph(picture, rng).save(jpeg, "JPEG", quality=rng.randint(60, 92))
    return jpeg.getvalue()


def _picture_size(rng: Random) -> tuple[int, int]:
    long, short = rng.choice(((640, 480), (480, 360), (400, 300), (320, 240)))
    return (long, short) if rng.random() < 0.6 else (short, long)


def _place(category: str, size: tuple[int, int], rng: Random) -> Box:
    """The place and size of the object in the picture."""
    share = rng.uniform(0.8, 1.1) if category in SHEETS else rng.uniform(0.65, 0.98)
    width = size[0] * share * rng.uniform(0.8, 1.0)
    height = size[1] * share * rng.uniform(0.8, 1.0)
    left = (size[0] - width) * rng.uniform(0.35, 0.65)
    top = (size[1] - height) * rng.uniform(0.35, 0.65)
    return left, top, left + width, top + height


def _draw_background(size: tuple[int, int], rng: Random, category: str) -> Image.Image:
    """Sky above ground, dark or bright cloth, or a studio's grey."""
    if category == "building" and rng.random() < 0.85:
        above = colour(rng, BLUE, (0.1, 0.5), (0.6, 1.0))
        below = colour(rng, rng.choice((GREEN, ANY)), (0.0, 0.4), (0.3, 0.7))
    else:
        cloth = category == "jewellery" and rng.random() < 0.7
        saturation, value = ((0.2, 0.7), (0.05, 0.35)) if cloth else ((0.0, 0.15), (0.1, 1.0))
        above = colour(rng, ANY, saturation, value)
        below = shade(above, rng.uniform(0.75, 1.3))
    picture = _gradient(size, above, below)
    if rng.random() < 0.3:
        horizon = round(size[1] * rng.uniform(0.55, 0.9))
        floor = shade(below, rng.uniform(0.6, 1.2))
        ImageDraw.Draw(picture).rectangle((0, horizon, *size), fill=floor)
    return picture


def _gradient(size: tuple[int, int], above: Colour, below: Colour) -> Image.Image:
    ramp = Image.linear_gradient("L").resize(size, Image.Resampling.BILINEAR)
    return Image.composite(Image.new("RGB", size, below), Image.new("RGB", size, above), ramp)


def _draw_colour_chart(picture: Image.Image, rng: Random) -> None:
    width, height = picture.size
    cell = width * rng.uniform(0.03, 0.06)
    left, top = width * rng.uniform(0.0, 0.5), height * rng.choice((0.02, 0.93))
    draw = ImageDraw.Draw(picture)
    for field in range(rng.randint(4, 8)):
        x = left + field * cell
        draw.rectangle((x, top, x + cell, top + cell), fill=colour(rng, ANY, (0.0, 1.0)))


def _photograph(picture: Image.Image, rng: Random) -> Image.Image:
    steps: tuple[Callable[[Image.Image, Random], Image.Image], ...] = (
        _tint,
        _light,
        _blur,
        _add_noise,
    )
    for step in steps:
        picture = step(picture, rng)
    return picture


def _tint(picture: Image.Image, rng: Random) -> Image.Image:
    kind = rng.random()
    if kind < 0.08:
        return ImageOps.grayscale(picture).convert("RGB")
    if kind < 0.12:
        paper = colour(rng, (0.08, 0.12), (0.1, 0.3), (0.9, 1.0))
        return ImageOps.colorize(ImageOps.grayscale(picture), (30, 20, 10), paper)
    cast = Image.new("RGB", picture.size, colour(rng, ANY, (0.3, 0.8), (0.5, 1.0)))
    return Image.blend(picture, cast, rng.uniform(0.0, 0.1))


def _light(picture: Image.Image, rng: Random) -> Image.Image:
    if rng.random() < 0.5:
        lamp = Image.linear_gradient("L").rotate(rng.choice((0, 90, 180, 270)))
        lamp = lamp.point(lambda level: 255 - level // 3)
        lamp = lamp.resize(picture.size, Image.Resampling.BILINEAR)
        picture = ImageChops.multiply(picture, lamp.convert("RGB"))
    picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.85, 1.2))
    return ImageEnhance.Contrast(picture).enhance(rng.uniform(0.85, 1.3))


def _blur(picture: Image.Image, rng: Random) -> Image.Image:
    return picture.filter(ImageFilter.BoxBlur(rng.choice((0.4, 0.8, 1.2))))


def _add_noise(picture: Image.Image, rng: Random) -> Image.Image:
    """Grain two pixels wide; Pillow's own noise takes no seed."""
    width, height = picture.size[0] // 2, picture.size[1] // 2
    grain = Image.frombytes("RGB", (width, height), rng.randbytes(3 * width * height))
    grain = grain.resize(picture.size, Image.Resampling.BILINEAR)
    return Image.blend(picture, grain, rng.uniform(0.01, 0.07))
