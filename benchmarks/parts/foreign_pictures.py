"""Pictures that are neither buildings nor museum objects: digits, text, charts and a photograph.

They come from installed libraries or are drawn, always the same.
"""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits, load_sample_image

from trainer.data.dataset import Example, TrainingData

OF_A_KIND = 100
SIZE = 224
_WORDS = ("a letter", "of the third of May", "to the keeper", "about books and bread")


def foreign_pictures(folder: Path) -> TrainingData:
    """The pictures, as files of a folder, without anything to learn from them."""
    draw = np.random.default_rng(0)
    kinds = {"digit": _digit, "text": _text, "chart": _chart, "flower": _flower}
    folder.mkdir()
    examples = []
    for kind, picture in kinds.items():
        for number in range(OF_A_KIND):
            path = folder / f"{kind}_{number}.png"
            picture(number, draw).save(path)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            examples.append(Example(key=path.stem, path=path, labels=(0,), sha256=sha256))
    return TrainingData(
        source="foreign pictures",
        kind="single",
        categories=("foreign",),
        concept_uris=("http://data.europeana.eu/concept/0",),
        picture_source="media",
        examples=tuple(examples),
    )


@cache
def _digits() -> NDArray[np.float64]:
    return np.asarray(load_digits().images)


def _digit(number: int, draw: np.random.Generator) -> Image.Image:
    pixels = (_digits()[number] * (255 / 16)).astype(np.uint8)
    return Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def _text(number: int, draw: np.random.Generator) -> Image.Image:
    page = Image.new("RGB", (SIZE, SIZE), tuple(draw.integers(200, 256, 3).tolist()))
    size = int(draw.integers(8, 24))
    lines = (" ".join(draw.choice(_WORDS, 12)) for _ in range(SIZE // size))
    font = ImageFont.load_default(size)
    ImageDraw.Draw(page).multiline_text((8, 8), "\n".join(lines), fill="black", font=font)
    return page


def _chart(number: int, draw: np.random.Generator) -> Image.Image:
    page = Image.new("RGB", (SIZE, SIZE), "white")
    pen, across = ImageDraw.Draw(page), np.linspace(20, SIZE - 20, 12).tolist()
    pen.rectangle((20, 20, SIZE - 20, SIZE - 20), outline="black")
    for _ in range(4):
        heights = draw.integers(20, SIZE - 20, 12).tolist()
        colour = tuple(draw.integers(0, 256, 3).tolist())
        pen.line(list(zip(across, heights, strict=True)), fill=colour, width=2)
    return page


def _flower(number: int, draw: np.random.Generator) -> Image.Image:
    whole = Image.fromarray(load_sample_image("flower.jpg"))
    side = int(draw.integers(150, 400))
    left, top = int(draw.integers(whole.width - side)), int(draw.integers(whole.height - side))
    return whole.crop((left, top, left + side, top + side))
