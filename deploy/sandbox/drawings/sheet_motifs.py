"""Three kinds of flat objects, as simple shapes: maps, paintings, tapestries.

Their content is random: a painting may show a house or a vase, a tapestry a landscape.
"""

import math
from random import Random

from PIL.ImageDraw import ImageDraw

from deploy.sandbox.drawings.colours import (
    ANY,
    BLUE,
    EARTH,
    GREEN,
    Box,
    Colour,
    Point,
    colour,
    shade,
)
from deploy.sandbox.drawings.object_motifs import draw_building, draw_vessel


def draw_map(draw: ImageDraw, box: Box, rng: Random) -> None:
    """A sheet with coasts, rivers, a grid, places and lettering."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    sheet = colour(rng, rng.choice(((0.09, 0.15), (0.09, 0.15), BLUE)), (0.08, 0.4), (0.7, 0.97))
    ink = colour(rng, EARTH, (0.1, 0.6), (0.15, 0.45))
    draw.rectangle(box, fill=sheet, outline=ink, width=max(1, round(width * 0.01)))
    for _ in range(rng.randint(1, 4)):
        land = colour(rng, rng.choice((EARTH, GREEN, ANY)), (0.1, 0.45), (0.6, 0.95))
        centre = (left + width * rng.uniform(0.2, 0.8), top + height * rng.uniform(0.2, 0.8))
        coast = _coast(centre, (width * rng.uniform(0.15, 0.4), height * 0.35), box, rng)
        draw.polygon(coast, fill=land, outline=ink)
    for _ in range(rng.randint(1, 4)):
        draw.line(_river(box, rng), colour(rng, BLUE, (0.3, 0.7), (0.35, 0.8)), 2)
    if rng.random() < 0.7:
        lines = rng.randint(3, 8)
        for line in range(1, lines):
            x, y = left + width * line / lines, top + height * line / lines
            draw.line((x, top, x, bottom), fill=shade(sheet, 0.75))
            draw.line((left, y, right, y), fill=shade(sheet, 0.75))
    for _ in range(rng.randint(6, 30)):
        x, y = left + width * rng.uniform(0.03, 0.85), top + height * rng.uniform(0.05, 0.95)
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=ink)
        draw.line((x + 5, y, x + 5 + width * rng.uniform(0.03, 0.1), y), fill=ink, width=2)


def _coast(centre: Point, reach: Point, box: Box, rng: Random) -> list[Point]:
    left, top, right, bottom = box
    points = []
    for step in range(36):
        angle = 2 * math.pi * step / 36
        size = rng.uniform(0.7, 1.1)
        x = centre[0] + reach[0] * size * math.cos(angle)
        y = centre[1] + reach[1] * size * math.sin(angle)
        points.append((min(max(x, left), right), min(max(y, top), bottom)))
    return points


def _river(box: Box, rng: Random) -> list[Point]:
    left, top, right, bottom = box
    x, y = rng.uniform(left, right), rng.uniform(top, bottom)
    points = [(x, y)]
    for _ in range(12):
        x = min(max(x + rng.uniform(-0.05, 0.07) * (right - left), left), right)
        y = min(max(y + rng.uniform(-0.05, 0.07) * (bottom - top), top), bottom)
        points.append((x, y))
    return points


def draw_painting(draw: ImageDraw, box: Box, rng: Random) -> None:
    """A landscape, a portrait or a still life, usually in a frame."""
    left, top, right, bottom = box
    frame = min(right - left, bottom - top) * rng.choice((0.0, 0.04, 0.08, 0.13))
    wood = colour(rng, (0.06, 0.14), (0.3, 0.8), (0.25, 0.9))
    draw.rectangle(box, fill=wood, outline=shade(wood, 0.5))
    inner = (left + frame, top + frame, right - frame, bottom - frame)
    draw.rectangle(inner, fill=colour(rng), outline=shade(wood, 0.5))
    rng.choice((_draw_landscape, _draw_landscape, _draw_portrait, _draw_still_life))(
        draw, inner, rng
    )


def _draw_landscape(draw: ImageDraw, box: Box, rng: Random) -> None:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    horizon = top + height * rng.uniform(0.35, 0.7)
    sky = colour(rng, rng.choice((BLUE, EARTH)), (0.1, 0.5), (0.5, 1.0))
    draw.rectangle((left, top, right, horizon), fill=sky)
    draw.rectangle((left, horizon, right, bottom), fill=colour(rng, GREEN, (0.2, 0.7), (0.2, 0.6)))
    for _ in range(rng.randint(1, 3)):
        x, reach = rng.uniform(left, right), width * rng.uniform(0.15, 0.35)
        hill = [(max(left, x - reach), horizon), (x, horizon - height * rng.uniform(0.1, 0.3))]
        hill.append((min(right, x + reach), horizon))
        draw.polygon(hill, fill=colour(rng, GREEN, (0.1, 0.5), (0.2, 0.7)))
    for _ in range(rng.randint(1, 6)):
        x, size = rng.uniform(left + width * 0.1, right - width * 0.1), width * 0.05
        y = rng.uniform(horizon, bottom - size)
        draw.ellipse(
            (x - size, y - 2 * size, x + size, y),
            fill=colour(rng, GREEN, (0.3, 0.8), (0.15, 0.5)),
        )
    if rng.random() < 0.25:
        x, size = rng.uniform(left, right - width * 0.3), width * 0.25
        draw_building(draw, (x, horizon - size * 0.6, x + size, horizon + size * 0.3), rng)


def _draw_portrait(draw: ImageDraw, box: Box, rng: Random) -> None:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    draw.rectangle(box, fill=colour(rng, ANY, (0.1, 0.6), (0.08, 0.5)))
    x, head = left + width * rng.uniform(0.4, 0.6), min(width, height) * rng.uniform(0.12, 0.2)
    y = top + height * rng.uniform(0.3, 0.42)
    coat = colour(rng, ANY, (0.2, 0.9), (0.1, 0.7))
    draw.pieslice(
        (x - 2.4 * head, y + head, x + 2.4 * head, 2 * bottom - y - head), 180, 360, fill=coat
    )
    hair = colour(rng, EARTH, (0.1, 0.7), (0.1, 0.6))
    draw.ellipse((x - head * 1.1, y - head * 1.4, x + head * 1.1, y + head * 1.1), fill=hair)
    skin = colour(rng, (0.04, 0.09), (0.2, 0.55), (0.45, 0.98))
    draw.ellipse((x - head * 0.8, y - head, x + head * 0.8, y + head * 1.2), fill=skin)


def _draw_still_life(draw: ImageDraw, box: Box, rng: Random) -> None:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    table = top + height * rng.uniform(0.6, 0.8)
    draw.rectangle((left, table, right, bottom), fill=colour(rng, EARTH, (0.2, 0.7), (0.2, 0.7)))
    x = left + width * rng.uniform(0.1, 0.5)
    draw_vessel(draw, (x, table - height * 0.4, x + width * 0.25, table + height * 0.08), rng)
    for _ in range(rng.randint(2, 5)):
        x, size = rng.uniform(left + width * 0.1, right - width * 0.15), width * 0.05
        fruit = colour(rng, (0.0, 0.3), (0.5, 0.9), (0.4, 0.9))
        draw.ellipse((x, table - size, x + 2 * size, table + size), fill=fruit)


def draw_tapestry(draw: ImageDraw, box: Box, rng: Random) -> None:
    """A woven hanging: borders, a pattern that repeats, visible threads."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    ground = colour(rng, ANY, (0.2, 0.75), (0.2, 0.8))
    thread = colour(rng, ANY, (0.2, 0.8), (0.3, 0.95))
    draw.rectangle(box, fill=thread)
    border = min(width, height) * rng.choice((0.04, 0.08, 0.14))
    inner = (left + border, top + border, right - border, bottom - border)
    draw.rectangle(inner, fill=ground)
    if rng.random() < 0.05:
        rng.choice((_draw_landscape, _draw_portrait))(draw, inner, rng)
    else:
        _draw_pattern(draw, inner, rng, thread)
    pitch = max(3, round(min(width, height) * rng.uniform(0.012, 0.03)))
    lines = shade(ground, rng.choice((0.5, 0.65, 1.5)))
    for y in range(round(top), round(bottom), pitch):
        draw.line((left, y, right, y), fill=lines)
    if rng.random() < 0.8:
        for x in range(round(left), round(right), pitch):
            draw.line((x, bottom, x, bottom + height * 0.06), fill=thread, width=2)


def _draw_pattern(draw: ImageDraw, box: Box, rng: Random, thread: Colour) -> None:
    left, top, right, bottom = box
    columns, rows = rng.randint(4, 9), rng.randint(4, 7)
    cell_width, cell_height = (right - left) / columns, (bottom - top) / rows
    second = colour(rng, ANY, (0.2, 0.8), (0.2, 0.95))
    form, size = rng.choice(("diamond", "flower", "stripe", "cross")), rng.uniform(0.25, 0.48)
    for cell in range(columns * rows):
        row, column = divmod(cell, columns)
        x, y = left + (column + 0.5) * cell_width, top + (row + 0.5) * cell_height
        reach, rise = cell_width * size, cell_height * size
        ink = thread if (row + column) % 2 else second
        if form == "diamond":
            draw.polygon([(x - reach, y), (x, y - rise), (x + reach, y), (x, y + rise)], fill=ink)
        elif form == "flower":
            draw.ellipse((x - reach, y - rise, x + reach, y + rise), fill=ink)
        elif form == "stripe":
            draw.rectangle((x - cell_width / 2, y - rise, x + cell_width / 2, y + rise), fill=ink)
        else:
            draw.rectangle((x - reach, y - rise / 3, x + reach, y + rise / 3), fill=ink)
            draw.rectangle((x - reach / 3, y - rise, x + reach / 3, y + rise), fill=ink)
