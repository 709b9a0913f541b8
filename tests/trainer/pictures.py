"""Pictures that a classifier can learn within seconds, drawn here."""

import json
import random
from pathlib import Path

from PIL import Image, ImageDraw

VOCABULARY = {
    "map": "http://data.europeana.eu/concept/43",
    "textile": "http://data.europeana.eu/concept/55",
    "toy": "http://data.europeana.eu/concept/56",
}


def draw(category: str, seed: int, size: int = 32) -> Image.Image:
    """A map has lines, a textile is chequered, a toy is a disc; colours and paper are random."""
    chance = random.Random(f"{category}-{seed}")
    dark, light = (tuple(chance.randint(a, b) for _ in range(3)) for a, b in ((0, 90), (160, 255)))
    stains = Image.frombytes("L", (16, 16), chance.randbytes(256)).resize((size, size))
    image = Image.blend(Image.new("RGB", (size, size), light), stains.convert("RGB"), 0.35)
    pen = ImageDraw.Draw(image)
    shift = chance.randint(0, 4)
    if category == "map":
        for x in range(shift, size, 6):
            pen.line((x, 0, x, size), fill=dark, width=2)
    elif category == "textile":
        for x in range(shift, size, 8):
            for y in range(x % 16, size, 16):
                pen.rectangle((x, y, x + 7, y + 7), fill=dark)
    else:
        pen.ellipse((4 + shift, 4, size - 8 + shift, size - 4), fill=dark)
    return image


def draw_folder(
    folder: Path, each: int, categories: tuple[str, ...] = ("map", "toy"), *, seed: int = 0
) -> Path:
    """A training folder with `each` pictures in every category; other seeds draw others."""
    for category in categories:
        (folder / category).mkdir(parents=True)
        for number in range(each):
            draw(category, seed + number).save(folder / category / f"{number:03}.png")
    return folder


def write_vocabulary(path: Path) -> Path:
    """A vocabulary file with the categories above."""
    path.write_text(json.dumps(VOCABULARY))
    return path
