"""Three kinds of solid objects, as simple shapes: buildings, vessels, jewels.

Shapes, proportions and colours are random. So the kinds sometimes look alike, as real ones do: a
plate looks like a brooch.
"""

import math
from random import Random

from PIL.ImageDraw import ImageDraw

from deploy.sandbox.drawings.colours import ANY, BLUE, EARTH, Box, Colour, Point, colour, shade


def draw_building(draw: ImageDraw, box: Box, rng: Random) -> None:
    """A house front: walls, a roof, rows of windows, a door."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    eaves = top + height * rng.uniform(0.25, 0.5)
    walls = colour(rng, EARTH if rng.random() < 0.7 else ANY, (0.05, 0.55), (0.4, 0.95))
    draw.rectangle((left, eaves, right, bottom), fill=walls, outline=shade(walls, 0.6))
    _draw_roof(draw, (left, top, right, eaves), rng)
    glass = shade(walls, rng.choice((0.3, 0.45, 1.5)))
    columns, rows = rng.randint(2, 6), rng.randint(1, 3)
    cell_width, cell_height = width / columns, (bottom - eaves) / (rows + 0.4)
    fill = rng.uniform(0.3, 0.6)
    for row in range(rows):
        for column in range(columns):
            x = left + (column + (1 - fill) / 2) * cell_width
            y = eaves + (row + 0.25) * cell_height
            draw.rectangle((x, y, x + fill * cell_width, y + 0.6 * cell_height), fill=glass)
    door = left + width * rng.uniform(0.2, 0.7)
    door_top = bottom - height * rng.uniform(0.12, 0.25)
    draw.rectangle((door, door_top, door + width * 0.12, bottom), fill=shade(glass, 0.7))


def _draw_roof(draw: ImageDraw, box: Box, rng: Random) -> None:
    left, top, right, bottom = box
    width = right - left
    tiles = colour(rng, EARTH, (0.2, 0.8), (0.25, 0.7))
    form = rng.choice(("gable", "gable", "hip", "dome", "tower"))
    if form == "gable":
        draw.polygon([(left, bottom), (left + width / 2, top), (right, bottom)], fill=tiles)
    elif form == "hip":
        draw.polygon(
            [
                (left, bottom),
                (left + width * 0.2, top),
                (right - width * 0.2, top),
                (right, bottom),
            ],
            fill=tiles,
        )
    elif form == "dome":
        draw.pieslice((left, top, right, 2 * bottom - top), 180, 360, fill=tiles)
    elif form == "tower":
        x = left + width * rng.uniform(0.0, 0.7)
        middle = (top + bottom) / 2
        draw.rectangle((x, middle, x + width * 0.25, bottom), fill=shade(tiles, 1.3))
        draw.polygon(
            [(x, middle), (x + width * 0.125, top), (x + width * 0.25, middle)], fill=tiles
        )


def draw_vessel(draw: ImageDraw, box: Box, rng: Random) -> None:
    """A vase, a jug or a bowl seen from the side, or a plate seen from above."""
    if rng.random() < 0.08:
        _draw_plate(draw, box, rng)
        return
    left, top, right, bottom = box
    clay = colour(rng, rng.choice((EARTH, EARTH, EARTH, BLUE, ANY)), (0.2, 0.75), (0.3, 0.9))
    profile = _profile(rng)
    middle, half = (left + right) / 2, (right - left) / 2 * rng.uniform(0.5, 1.0)
    if rng.random() < 0.45:
        _draw_handles(draw, box, clay, rng)
    levels = [top + (bottom - top) * step / (len(profile) - 1) for step in range(len(profile))]
    outline = [(middle - half * part, y) for part, y in zip(profile, levels, strict=True)]
    outline += [(middle + half * part, y) for part, y in zip(profile, levels, strict=True)][::-1]
    draw.polygon(outline, fill=clay, outline=shade(clay, 0.55))
    for _ in range(rng.randint(1, 5)):
        level = rng.randrange(3, len(profile) - 2)
        reach = half * min(profile[level - 1 : level + 2]) * 0.97
        glaze = colour(rng)
        thickness = max(2, round((bottom - top) * rng.uniform(0.01, 0.05)))
        draw.line((middle - reach, levels[level], middle + reach, levels[level]), glaze, thickness)
    x = middle - half * rng.uniform(0.1, 0.35)
    y = top + (bottom - top) * 0.45
    draw.ellipse((x - half * 0.06, y, x + half * 0.06, y + half * 0.5), fill=shade(clay, 1.35))


def _profile(rng: Random, steps: int = 18) -> list[float]:
    """Half widths of a vessel from its rim to its foot, the widest 1."""
    rim, neck = rng.uniform(0.3, 1.0), rng.uniform(0.15, 0.8)
    belly, foot = rng.uniform(0.4, 0.8), rng.uniform(0.25, 0.6)
    stops = [(0.0, rim), (rng.uniform(0.12, 0.3), neck), (belly, 1.0), (1.0, foot)]
    widths = []
    for step in range(steps + 1):
        at = step / steps
        index = next(i for i in range(3) if at <= stops[i + 1][0])
        (start, first), (end, last) = stops[index], stops[index + 1]
        ease = (1 - math.cos(math.pi * (at - start) / (end - start))) / 2
        widths.append(first + (last - first) * ease)
    return widths


def _draw_handles(draw: ImageDraw, box: Box, clay: Colour, rng: Random) -> None:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    thickness = max(3, round(width * 0.05))
    y = top + height * rng.uniform(0.1, 0.3)
    sides = rng.choice(((left,), (right,), (left, right)))
    for side in sides:
        x = side + (width * 0.25 if side == left else -width * 0.25)
        ear = (x - width * 0.18, y, x + width * 0.18, y + height * 0.35)
        draw.ellipse(ear, outline=shade(clay, 0.8), width=thickness)


def _draw_plate(draw: ImageDraw, box: Box, rng: Random) -> None:
    left, top, right, bottom = box
    x, y, radius = (left + right) / 2, (top + bottom) / 2, min(right - left, bottom - top) / 2
    flat = rng.uniform(0.6, 1.0)
    for scale in (1.0, rng.uniform(0.7, 0.9), rng.uniform(0.3, 0.6)):
        size = radius * scale
        glaze = colour(rng, rng.choice((EARTH, BLUE)), (0.05, 0.6), (0.5, 1.0))
        draw.ellipse(
            (x - size, y - size * flat, x + size, y + size * flat), fill=glaze, outline=(90, 80, 70)
        )


def draw_jewel(draw: ImageDraw, box: Box, rng: Random) -> None:
    """A ring, a necklace or a brooch: metal and stones."""
    metal = rng.choice(
        (
            colour(rng, (0.1, 0.15), (0.5, 0.9), (0.7, 1.0)),
            colour(rng, (0.1, 0.15), (0.5, 0.9), (0.7, 1.0)),
            colour(rng, ANY, (0.0, 0.1), (0.6, 0.95)),
            colour(rng, EARTH, (0.4, 0.7), (0.4, 0.7)),
        )
    )
    rng.choice((_draw_ring, _draw_necklace, _draw_necklace, _draw_brooch))(draw, box, rng, metal)


def _draw_ring(draw: ImageDraw, box: Box, rng: Random, metal: Colour) -> None:
    left, top, right, bottom = box
    x, y, radius = (left + right) / 2, (top + bottom) / 2, min(right - left, bottom - top) / 2
    flat, thickness = rng.uniform(0.6, 1.0), max(4, round(radius * rng.uniform(0.12, 0.25)))
    band = (x - radius, y - radius * flat, x + radius, y + radius * flat)
    draw.ellipse(band, outline=shade(metal, 0.7), width=thickness)
    draw.ellipse((band[0], band[1], band[2], band[3] - 3), outline=metal, width=thickness // 2)
    if rng.random() < 0.8:
        _draw_stone(draw, (x, y - radius * flat), radius * rng.uniform(0.15, 0.4), rng)


def _draw_necklace(draw: ImageDraw, box: Box, rng: Random, metal: Colour) -> None:
    left, top, right, bottom = box
    middle, half, drop = (left + right) / 2, (right - left) / 2, bottom - top
    beads, start = rng.randint(9, 26), rng.uniform(-0.4, 0.4)
    stones = colour(rng, ANY, (0.3, 0.9), (0.4, 1.0)) if rng.random() < 0.5 else metal
    for bead in range(beads):
        angle = start + (math.pi - 2 * start) * bead / (beads - 1)
        x, y = middle + half * math.cos(angle), top + drop * 0.9 * abs(math.sin(angle))
        size = half * (0.06 + 0.05 * (bead % 2) + 0.05 * math.sin(angle))
        draw.ellipse(
            (x - size, y - size, x + size, y + size),
            fill=metal if bead % 2 else stones,
            outline=shade(metal, 0.5),
        )
    if rng.random() < 0.6:
        _draw_stone(draw, (middle, top + drop * 0.9), half * rng.uniform(0.12, 0.25), rng)


def _draw_brooch(draw: ImageDraw, box: Box, rng: Random, metal: Colour) -> None:
    left, top, right, bottom = box
    x, y, radius = (left + right) / 2, (top + bottom) / 2, min(right - left, bottom - top) / 2
    radius *= rng.uniform(0.7, 1.0)
    draw.ellipse(
        (x - radius, y - radius, x + radius, y + radius), fill=metal, outline=shade(metal, 0.5)
    )
    petals = rng.randint(5, 12)
    for petal in range(petals):
        angle = 2 * math.pi * petal / petals
        centre = (x + radius * 0.72 * math.cos(angle), y + radius * 0.72 * math.sin(angle))
        _draw_stone(draw, centre, radius * 0.2, rng)
    _draw_stone(draw, (x, y), radius * rng.uniform(0.25, 0.45), rng)


def _draw_stone(draw: ImageDraw, centre: Point, radius: float, rng: Random) -> None:
    x, y = centre
    gem = colour(rng, ANY, (0.4, 1.0), (0.3, 1.0))
    sides = rng.choice((4, 6, 8, 24))
    corners = [
        (
            x + radius * math.cos(2 * math.pi * side / sides),
            y + radius * math.sin(2 * math.pi * side / sides),
        )
        for side in range(sides)
    ]
    draw.polygon(corners, fill=gem, outline=shade(gem, 0.5))
    draw.ellipse((x - radius * 0.4, y - radius * 0.5, x, y - radius * 0.1), fill=shade(gem, 1.6))
