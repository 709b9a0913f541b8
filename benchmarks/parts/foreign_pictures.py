"""Pictures of other kinds than photographs of objects: a model should abstain from them.

Handwritten digits and crops of two photographs come with scikit-learn. Pages of text and plots are
generated.
"""

import string
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits, load_sample_images

SIDE = 224


def write_foreign(folder: Path, *, each: int = 100) -> list[Path]:
    """Write `each` pictures of each of four kinds below a new folder."""
    folder.mkdir(parents=True)
    written: list[Path] = []
    for kind in (_digits(), _crops(), _pages(), _plots()):
        for picture in islice(kind, each):
            path = folder / f"{len(written):04}.png"
            picture.convert("RGB").save(path)
            written.append(path)
    return written


def _digits() -> Iterator[Image.Image]:
    for digit in load_digits().images:
        yield Image.fromarray((255 - 15 * digit).astype(np.uint8)).resize((SIDE, SIDE))


def _crops() -> Iterator[Image.Image]:
    chance = np.random.default_rng(0)
    for photograph in cycle(load_sample_images().images):
        height, width, _ = photograph.shape
        top, left = chance.integers(0, height - SIDE), chance.integers(0, width - SIDE)
        yield Image.fromarray(photograph[top : top + SIDE, left : left + SIDE])


def _pages() -> Iterator[Image.Image]:
    chance, letters = np.random.default_rng(1), [*string.ascii_lowercase, *" " * 6]
    while True:
        page = Image.new("L", (SIDE, SIDE), int(chance.integers(200, 256)))
        draw = ImageDraw.Draw(page)
        for top in range(10, SIDE - 10, int(chance.integers(10, 20))):
            draw.text((12, top), "".join(chance.choice(letters, 34)), fill=int(chance.integers(80)))
        yield page


def _plots() -> Iterator[Image.Image]:
    chance = np.random.default_rng(2)
    while True:
        plot = Image.new("RGB", (SIDE, SIDE), "white")
        draw = ImageDraw.Draw(plot)
        draw.line([(20, 10), (20, SIDE - 20), (SIDE - 10, SIDE - 20)], fill="black")
        for _ in range(chance.integers(1, 4)):
            heights = SIDE / 2 + np.cumsum(chance.normal(0, 8, 40))
            points = list(zip(np.linspace(20, SIDE - 10, 40), heights, strict=True))
            draw.line(points, fill=tuple(chance.integers(0, 200, 3).tolist()), width=2)
        yield plot
