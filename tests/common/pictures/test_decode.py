import time
import zlib

import pytest
from PIL import Image, ImageChops, ImageDraw

from common.errors import RecordError
from common.pictures import decode as decoding
from common.pictures.decode import decode
from tests.common.fetch.servers import encoded

ORIENTATION = 0x0112


def scene(width=640, height=400, mode="RGB") -> Image.Image:
    """Left half red, right half blue, a green stripe on top."""
    image = Image.new("RGB", (width, height), "red")
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 2, 0, width, height), fill="blue")
    draw.rectangle((0, 0, width, height // 8), fill="lime")
    return image.convert(mode)


def colours(image: Image.Image) -> list[str]:
    """Nearest plain colour in the middle of the left, right, top and bottom edges."""
    width, height = image.size
    spots = [(5, height // 2), (width - 6, height // 2), (width // 4, 3), (width // 4, height - 4)]
    return ["RGB"[max(range(3), key=image.getpixel(spot).__getitem__)] for spot in spots]


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of a channel anywhere."""
    extrema = ImageChops.difference(one, other).getextrema()
    return max(high for _, high in extrema)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "GIF", "WEBP", "JPEG2000", "BMP"])
def test_every_format_becomes_rgb_of_about_the_size(name):
    decoded = decode(encoded(scene(), name), shorter_side=100)
    assert (decoded.width, decoded.height, decoded.format) == (640, 400, name)
    assert decoded.image.mode == "RGB"
    assert decoded.image.size == (320, 200)
    assert colours(decoded.image) == ["R", "B", "G", "R"]


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("PNG", (240, 199), (240, 199)),
        ("PNG", (1999, 150), (1999, 150)),
        ("PNG", (500, 1300), (100, 260)),
        ("JPEG", (240, 199), (240, 199)),
        ("JPEG", (500, 1300), (125, 325)),  # JPEG decoders skip by powers of two
        ("JPEG", (2000, 1600), (125, 100)),  # by 8 while decoding, then by 2
        ("JPEG2000", (500, 1300), (125, 325)),
    ],
)
def test_pictures_are_made_smaller_but_not_below_twice_the_side(name, size, expected):
    assert decode(encoded(scene(*size), name), shorter_side=50).image.size == expected


@pytest.mark.parametrize("name", ["JPEG", "JPEG2000"])
def test_skipping_detail_while_decoding_changes_little(name):
    content = encoded(scene(1600, 1200), name, quality=95)
    quick = decode(content, shorter_side=100).image.resize((100, 75), Image.Resampling.BICUBIC)
    whole = decode(content, shorter_side=600).image.resize((100, 75), Image.Resampling.BICUBIC)
    assert difference(quick, whole) < 40


def test_the_same_bytes_give_the_same_pixels():
    content = encoded(Image.effect_noise((500, 400), 80))
    one, other = (decode(content, shorter_side=100).image for _ in range(2))
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_stand_upright(name, orientation):
    undo = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    held = scene()
    if undo in decoding._TURNS:
        held = held.transpose(decoding._TURNS[undo])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    decoded = decode(encoded(held, name, exif=exif), shorter_side=100)
    assert colours(decoded.image) == ["R", "B", "G", "R"]
    assert (decoded.width, decoded.height) == (640, 400)
    assert decoded.image.size == (320, 200)


def test_a_damaged_exif_block_does_not_cost_the_picture():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    content = encoded(scene(), exif=exif)
    damaged = content.replace(b"Exif\x00\x00", b"Exif\x00\x00\xff\xff\xff\xff", 1)
    assert decode(damaged, shorter_side=100).image.size == (320, 200)


@pytest.mark.parametrize("mode", ["CMYK", "L", "YCbCr"])
def test_jpegs_of_other_colour_spaces_are_converted(mode):
    image = decode(encoded(scene(mode=mode)), shorter_side=100).image
    reference = scene(mode=mode).convert("RGB").resize(image.size)
    middle = (80, 100)
    pairs = zip(image.getpixel(middle), reference.getpixel(middle), strict=True)
    assert all(abs(one - other) < 12 for one, other in pairs)


def ramp() -> Image.Image:
    """All 65,536 values of 16 bits, from dark on the left to bright on the right."""
    values = b"".join(value.to_bytes(2, "little") for value in range(65536))
    return Image.frombytes("I;16", (256, 256), values)


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_16_bits_are_scaled_and_not_clipped(name):
    image = decode(encoded(ramp(), name), shorter_side=200).image
    grey = list(image.getchannel("R").tobytes())
    assert grey == [round(value / 257) for value in range(65536)]


@pytest.mark.parametrize(("low", "high"), [(-1e6, 1e6), (0.0, 1.0)])
def test_numbers_without_a_scale_are_stretched(low, high):
    image = Image.new("F", (300, 300), low)
    image.paste(high, (150, 0, 300, 300))
    decoded = decode(encoded(image, "TIFF"), shorter_side=100).image
    assert [decoded.getpixel((10, 9))[0], decoded.getpixel((290, 9))[0]] == [0, 255]


def test_values_that_are_no_numbers_are_unsupported():
    image = Image.new("F", (30, 30), float("inf"))
    with pytest.raises(RecordError, match="unsupported_image"):
        decode(encoded(image, "TIFF"), shorter_side=10)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(mode):
    image = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (150, 0, 300, 300))
    options = {}
    if mode == "P":
        image = Image.new("P", (300, 300), 0)
        image.putpalette([255, 0, 0, 0, 0, 0])
        image.paste(1, (150, 0, 300, 300))
        options = {"transparency": 0}
    content = encoded(image.convert(mode), "PNG", **options)
    decoded = decode(content, shorter_side=100).image
    assert decoded.getpixel((10, 150)) == (255, 255, 255)
    assert decoded.getpixel((290, 150)) == (0, 0, 0)


@pytest.mark.parametrize("name", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_counts(name):
    others = [Image.new("RGB", (300, 300), "blue")] * 3
    frames = Image.new("RGB", (300, 300), "red")
    content = encoded(frames, name, save_all=True, append_images=others)
    red, green, blue = decode(content, shorter_side=100).image.getpixel((150, 150))
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "GIF", "BMP"])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_picture_that_ends_early_is_truncated(name, share):
    content = encoded(Image.effect_noise((640, 400), 90).convert("RGB"), name)
    with pytest.raises(RecordError) as caught:
        decode(content[: int(len(content) * share)], shorter_side=100)
    assert (caught.value.stage, caught.value.reason) == ("decode", "truncated")


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xd8\xff", b"GIF89a", b"%!PS-Adobe-3.0"])
def test_what_is_no_picture_is_damaged(content):
    with pytest.raises(RecordError) as caught:
        decode(content, shorter_side=100)
    assert caught.value.reason in ("damaged", "truncated")


@pytest.mark.parametrize(
    ("name", "size"),
    [("PNG", (11_500, 11_500)), ("JPEG", (65_500, 3_900)), ("BMP", (12_000, 11_000))],
)
def test_bombs_are_refused_by_their_header(name, size):
    content = bytearray(encoded(Image.new("L", (8, 8)), name))
    width, height = size
    if name == "PNG":
        content[16:24] = width.to_bytes(4) + height.to_bytes(4)
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    elif name == "JPEG":
        start = content.index(b"\xff\xc0") + 5
        content[start : start + 4] = height.to_bytes(2) + width.to_bytes(2)
    else:
        content[18:26] = width.to_bytes(4, "little") + height.to_bytes(4, "little")
    began = time.monotonic()
    with pytest.raises(RecordError, match="too_many_pixels"):
        decode(bytes(content), shorter_side=100)
    assert time.monotonic() - began < 1


def test_a_jpeg_of_120_megapixels_is_decoded_at_a_fraction():
    content = encoded(Image.new("L", (12_000, 10_000), 77), quality=50)
    began = time.monotonic()
    decoded = decode(content, shorter_side=256)
    assert decoded.image.size == (750, 625)
    assert (decoded.width, decoded.height) == (12_000, 10_000)
    assert time.monotonic() - began < 5


def test_a_progressive_jpeg_of_endless_scans_is_refused():
    content = encoded(scene(), progressive=True)
    scan = content.rindex(b"\xff\xda")
    bomb = content[:-2] + content[scan:-2] * 200 + content[-2:]
    with pytest.raises(RecordError, match="damaged: a JPEG with"):
        decode(bomb, shorter_side=100)
