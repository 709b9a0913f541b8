"""Ordinary JPEGs are decoded in place, to the pixels that Pillow would make of them."""

import random

import pytest
from PIL import Image

from common.errors import RecordError
from common.pictures.decode import Decoded, decode
from common.pictures.jpeg import BYTES_A_PIXEL, is_held_whole, read_header
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


def outcome(content: bytes, place: memoryview | None) -> tuple[str, bytes]:
    """The pixels, or the reason why there are none."""
    try:
        found = decode(content, shorter_side=30, room=place)
    except RecordError as error:
        return error.reason, b""
    return f"{found.width} x {found.height}", found.image.convert("RGB").tobytes()


def mutated(chance: random.Random, whole: bytes, header: int) -> bytes:
    content = bytearray(whole)
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.5:
            content[chance.randrange(2, header)] = chance.randrange(256)
        elif chance.random() < 0.5:
            marker = bytes([0xFF, chance.choice([0xC0, 0xC2, 0xC9, 0xDA, 0xDC, 0xD8, 0xEE, 0xFF])])
            place = chance.randrange(2, header)
            content[place:place] = marker + chance.randbytes(chance.randrange(20))
        else:
            content[chance.randrange(len(content))] = chance.randrange(256)
    return bytes(content)


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_mutated_pictures_have_the_same_pixels_or_the_same_fault(options):
    chance = random.Random(0)
    whole = encoded(noise(120, 80), **options)
    outcomes = []
    for _ in range(400):
        content = mutated(chance, whole, whole.index(SCAN) + 14)
        outcomes.append(outcome(content, None))
        assert outcome(content, room()) == outcomes[-1]
    assert 100 < sum(bool(pixels) for _, pixels in outcomes) < 300


def opened_whole(content: bytes) -> bool:
    return is_held_whole(read_header(content), content)


def test_the_coefficients_are_held_where_several_scans_make_a_picture():
    plain = encoded(scene())
    scan = plain.index(SCAN)
    one_colour = plain[: scan + 4] + b"\x01" + plain[scan + 5 :]
    assert not opened_whole(plain)
    assert not opened_whole(encoded(scene(mode="L")))
    assert opened_whole(encoded(scene(), progressive=True))
    assert opened_whole(one_colour)
    with pytest.raises(RecordError, match="a JPEG with 201 scans"):
        opened_whole(one_colour[:-2] + one_colour[scan:-2] * 200)


def test_scans_after_the_only_one_are_damage():
    content = encoded(noise(640, 400))
    more = content[:-2] + content[content.index(SCAN) : -2] * 300 + content[-2:]
    assert not opened_whole(more)
    for place in (None, room()):
        with pytest.raises(RecordError, match="damaged"):
            decode(more, shorter_side=100, room=place)


@pytest.mark.parametrize("place", [None, room()], ids=["by Pillow", "in place"])
def test_a_plain_picture_of_too_many_scans_is_refused(place):
    content = encoded(noise(64, 40), progressive=True)
    last = content.rindex(SCAN)
    with pytest.raises(RecordError, match="scans"):
        decode(content[:-2] + content[last:-2] * 200 + content[-2:], shorter_side=10, room=place)


def test_the_first_scan_is_not_that_of_a_thumbnail_in_the_header():
    exif = b"Exif\0\0" + encoded(scene(32, 20))
    content = encoded(scene(), exif=exif)
    header = read_header(content)
    assert header
    assert header.scan > content.index(SCAN)
    assert (header.width, header.height) == (640, 400)
    assert read_header(encoded(scene(), "PNG")) is None
    assert read_header(content[:200]) is None
