"""Ordinary JPEGs are decoded in place, to the pixels that Pillow would make of them."""

import random
from contextlib import suppress
from io import BytesIO

import pytest
from PIL import Image

from common.errors import RecordError
from common.pictures.decode import Decoded, decode
from common.pictures.jpeg import BYTES_A_PIXEL, first_scan, is_held_whole
from tests.common.fetch.servers import encoded
from tests.common.pictures.test_decode import ORIENTATION, scene

SCAN = b"\xff\xda"


def room(pixels: int = 1_000_000) -> memoryview:
    return memoryview(bytearray(BYTES_A_PIXEL * pixels))


def noise(width: int, height: int) -> Image.Image:
    return Image.merge("RGB", [Image.effect_noise((width, height), 90) for _ in range(3)])


def in_place(content: bytes, side: int, place: memoryview | None = None) -> Decoded:
    return decode(content, shorter_side=side, room=place or room())


def assert_same_pixels(content: bytes, side: int) -> None:
    expected = decode(content, shorter_side=side).image
    assert in_place(content, side).image.convert("RGB").tobytes() == expected.tobytes()


@pytest.mark.parametrize("side", [16, 40, 150, 400])
@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": "4:4:4"},
        {"subsampling": "4:2:2"},
        {"subsampling": "4:2:0", "quality": 40},
        {"progressive": True},
        {"keep_rgb": True},
        {"restart_marker_rows": 1},
    ],
    ids=str,
)
def test_the_pixels_are_those_of_pillow(options, side):
    content = encoded(noise(643, 401), **options)
    assert in_place(content, side).is_in_room
    assert_same_pixels(content, side)


def test_the_pixels_are_in_the_room_row_by_row():
    place = room()
    found = in_place(encoded(scene()), 400, place)
    rows = bytes(place[: BYTES_A_PIXEL * 640 * 400])
    expected = decode(encoded(scene()), shorter_side=400).image
    assert found.image.size == (640, 400)
    assert Image.frombytes("RGBX", (640, 400), rows).convert("RGB").tobytes() == expected.tobytes()


def test_a_grey_picture_is_decoded_in_place():
    content = encoded(noise(640, 400).convert("L"))
    assert in_place(content, 40).is_in_room
    assert_same_pixels(content, 40)


def turned() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return encoded(noise(640, 400), exif=exif)


@pytest.mark.parametrize(
    ("drawn", "side"),
    [
        (turned, 100),
        (lambda: encoded(noise(2000, 1600)), 50),  # an eighth is still too much
        (lambda: encoded(noise(640, 400).convert("CMYK")), 100),
        (lambda: encoded(noise(640, 400), "PNG"), 100),
    ],
    ids=["turned", "made smaller after decoding", "CMYK", "PNG"],
)
def test_other_pictures_come_as_pixels_of_their_own(drawn, side):
    content = drawn()
    assert not in_place(content, side).is_in_room
    assert_same_pixels(content, side)


def test_a_picture_without_room_is_decoded_all_the_same():
    content = encoded(noise(640, 400))
    found = in_place(content, 400, room(640 * 400 - 1))
    assert not found.is_in_room
    assert found.image.size == (640, 400)


def test_a_damaged_picture_is_judged_by_pillow():
    with pytest.raises(RecordError, match="truncated"):
        in_place(encoded(noise(640, 400))[:-5000], 400)


def test_mutated_pictures_have_the_same_pixels_or_the_same_fault():
    chance = random.Random(0)
    whole = encoded(noise(120, 80))
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        with suppress(RecordError):
            expected = decode(bytes(content), shorter_side=30).image
            found = in_place(bytes(content), 30).image.convert("RGB")
            assert found.tobytes() == expected.tobytes()


def opened_whole(content: bytes) -> bool:
    with Image.open(BytesIO(content)) as image:
        return is_held_whole(image, content, first_scan(content))


def test_the_coefficients_are_held_where_several_scans_make_a_picture():
    plain = encoded(scene())
    scan = plain.index(SCAN)
    one_colour = plain[: scan + 4] + b"\x01" + plain[scan + 5 :]
    assert not opened_whole(plain)
    assert not opened_whole(encoded(scene(mode="L")))
    assert opened_whole(encoded(scene(), progressive=True))
    assert opened_whole(one_colour)
    with pytest.raises(RecordError, match="a JPEG of 201 scans"):
        opened_whole(one_colour + one_colour[scan:] * 200)


def test_scans_after_the_only_one_are_damage():
    content = encoded(noise(640, 400))
    more = content[:-2] + content[content.index(SCAN) : -2] * 300 + content[-2:]
    assert not opened_whole(more)
    for place in (None, room()):
        with pytest.raises(RecordError, match="damaged"):
            decode(more, shorter_side=100, room=place)


def test_the_first_scan_is_not_that_of_a_thumbnail_in_the_header():
    exif = b"Exif\0\0" + encoded(scene(32, 20))
    content = encoded(scene(), exif=exif)
    assert first_scan(content) > content.index(SCAN)
    assert first_scan(encoded(scene(), "PNG")) == -1
    assert first_scan(content[:200]) == -1
