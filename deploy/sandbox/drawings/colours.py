"""Random colours, and the types of a drawing."""

import colorsys
from random import Random

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels
Colour = tuple[int, int, int]
Point = tuple[float, float]

EARTH = (0.02, 0.14)  # ranges of hue, on a circle from 0 to 1
GREEN = (0.2, 0.42)
BLUE = (0.52, 0.66)
ANY = (0.0, 1.0)


def colour(
    rng: Random,
    hue: tuple[float, float] = ANY,
    saturation: tuple[float, float] = (0.15, 0.7),
    value: tuple[float, float] = (0.25, 0.95),
) -> Colour:
    """A random colour from ranges of hue, saturation and value."""
    red, green, blue = colorsys.hsv_to_rgb(
        rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value)
    )
    return round(red * 255), round(green * 255), round(blue * 255)


def shade(base: Colour, factor: float) -> Colour:
    """The colour made darker (below 1) or lighter (above 1)."""
    red, green, blue = (min(255, round(part * factor)) for part in base)
    return red, green, blue
