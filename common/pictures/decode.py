"""From the bytes of a picture to RGB pixels, about as many as are needed, in bounded memory.

Colour profiles are ignored: pixels are taken as sRGB. Of animations and multi-page files the first
picture counts. Transparency is laid on white.
"""

import io
import math
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile

from common.errors import RecordError
from common.pictures.jpeg import (
    Header,
    decoded_into,
    drafted_size,
    is_held_whole,
    read_header,
)
from common.reasons import Reason

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "JPEG2000", "BMP")  # MPO opens as JPEG
MAX_PIXELS = 130_000_000
MAX_JPEG_PIXELS = 250_000_000  # JPEG alone is decoded at a fraction of its size
MAX_SIDE = 65_500
_MOST_PIXELS = {
    "JPEG": MAX_JPEG_PIXELS,
    **{"WEBP": 64_000_000, "JPEG2000": 80_000_000},  # their decoders take more memory
}
OVERSAMPLING = 2  # decoded pixels a side for each wanted one, so that the caller's resizing decides

# A second check for the whole process, behind our own check of the header.
Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS
warnings.filterwarnings("ignore", module=r"PIL\.")  # about damaged metadata; only the pixels matter

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})
_MODES = ("RGB", "L")  # of JPEGs, that are decoded in place
_JPEG2000_START = b"\xff\x4f\xff\x51"


@dataclass(frozen=True)
class Decoded:
    """A picture ready for preprocessing, upright.

    If possible the shorter side of `image` is at least twice what was asked for. Width, height and
    format are those of the original. The image is RGB, or RGBX if room was given for its pixels.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    is_in_room: bool = False


class TooLargeError(Exception):
    """A picture needs more memory than this decoder has; raised by `admit`."""


Admit = Callable[[int, int], None]
"""Told of the pixels that a header declares, and of those that decoding holds at a time."""


def decode(
    content: bytes,
    *,
    shorter_side: int,
    admit: Admit | None = None,
    room: memoryview | None = None,
) -> Decoded:
    """Decode a picture, scaled down cheaply but not below twice `shorter_side` pixels.

    The same bytes give the same pixels. Sizes are halved or more by whole factors only, so the
    caller's resizing decides what the picture looks like. Into the room, if there is one, ordinary
    pictures are decoded that are ready then: for a caller that would copy the pixels there.

    Raises:
        RecordError: stage `decode`, made by a `Reason`.
    """
    try:
        return _decode(content, shorter_side * OVERSAMPLING, admit, room)
    except (RecordError, TooLargeError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Reason.TOO_MANY_PIXELS.error(str(error)) from error
    except UnidentifiedImageError as error:
        raise Reason.DAMAGED.error(
            "the file does not begin like a picture of a known format"
        ) from error
    except MemoryError as error:
        raise Reason.OUT_OF_MEMORY.error("out of memory") from error
    except Exception as error:  # parsers of untrusted bytes raise anything
        raise _damaged(error) from error


def _decode(content: bytes, side: int, admit: Admit | None, room: memoryview | None) -> Decoded:
    header = read_header(content)
    if room and header and header.is_plain:
        decoded = _decode_plain(content, header, side, admit, room)
        if decoded:
            return decoded
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        _check_size(width, height, _format(image))
        pixels = _decode_less(image, content, side, header)
        if admit:
            admit(width * height, pixels)
        loaded = _loaded(image, content, header, room)
        orientation = _orientation(image)
        shown = _shrunk(loaded, side)
    if orientation in _TURNS:
        shown = shown.transpose(_TURNS[orientation])
    if orientation in _SIDEWAYS:
        width, height = height, width
    return Decoded(
        image=shown,
        width=width,
        height=height,
        format=_format(image),
        is_in_room=shown is loaded and loaded.mode == "RGBX",
    )


def _decode_plain(
    content: bytes, header: Header, side: int, admit: Admit | None, room: memoryview
) -> Decoded | None:
    """A JPEG of whose header Pillow need not be asked; None if it is for Pillow all the same."""
    width, height = header.width, header.height
    _check_size(width, height, "JPEG")
    size = drafted_size(width, height, side)
    held = _held_by_jpeg(header, content, declared=width * height, decoded=size[0] * size[1])
    if admit:
        admit(width * height, held)
    loaded = decoded_into(room, size, content)
    if loaded is None:
        return None
    shown = _shrunk(loaded, side)
    return Decoded(
        image=shown, width=width, height=height, format="JPEG", is_in_room=shown is loaded
    )


def _loaded(
    image: ImageFile, content: bytes, header: Header | None, room: memoryview | None
) -> Image.Image:
    """The pixels: RGBX, in the room, or RGB."""
    if room and header and header.is_ordinary and image.mode in _MODES:
        in_room = decoded_into(room, image.size, content)
        if in_room:
            return in_room
    if header and header.is_arithmetic:
        image.decodermaxblock = len(content)
    image.load()
    return _to_rgb(image)


def _format(image: Image.Image) -> str:
    return "JPEG" if isinstance(image, JpegImageFile) else str(image.format)


def _check_size(width: int, height: int, name: str) -> None:
    cap = _MOST_PIXELS.get(name, MAX_PIXELS)
    if width * height > cap or max(width, height) > MAX_SIDE:
        raise Reason.TOO_MANY_PIXELS.error(f"{width} x {height} pixels")


def _decode_less(image: Image.Image, content: bytes, side: int, header: Header | None) -> int:
    """Make the decoder skip detail if it can; returns the pixels that it will hold at a time.

    `header` is that of a JPEG.
    """
    width, height = image.size
    if isinstance(image, JpegImageFile):
        if not (header and header.is_lossless):
            image.draft(None, (side, side))
        decoded = image.width * image.height
        return _held_by_jpeg(header, content, declared=width * height, decoded=decoded)
    if isinstance(image, Jpeg2KImageFile):
        halvings = min((min(width, height) // side).bit_length() - 1, _levels(content))
        image.reduce = max(0, halvings)
        return (width >> max(0, halvings)) * (height >> max(0, halvings))
    return width * height


def _held_by_jpeg(header: Header | None, content: bytes, *, declared: int, decoded: int) -> int:
    """The pixels that libjpeg holds at a time, of those that the header declares and it makes."""
    return decoded + (declared if is_held_whole(header, content) else 0)


def _levels(content: bytes) -> int:
    """How many times a JPEG 2000 picture can be halved, as its first COD marker says."""
    position = content.find(_JPEG2000_START) + 2
    while position + 10 <= len(content) and content[position : position + 2] != b"\xff\x52":
        position += 2 + int.from_bytes(content[position + 2 : position + 4])
    return content[position + 9] if position + 10 <= len(content) else 0


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; a damaged tag counts as none."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (SyntaxError, ValueError, TypeError, LookupError, OverflowError, struct.error, OSError):
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _to_8_bits(image).convert("RGB")
    try:
        if not image.has_transparency_data:
            return image if image.mode == "RGB" else image.convert("RGB")
        layer = image.convert("RGBA")
    except ValueError as error:
        raise Reason.UNSUPPORTED_PIXELS.error(f"{image.mode} pixels") from error
    paper = Image.new("RGBA", layer.size, "white")
    paper.alpha_composite(layer)
    return paper.convert("RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale 16 bits, without clipping; stretch wider numbers from the smallest to the largest."""
    low, high = 0.0, 65535.0
    if not image.mode.startswith("I;16"):
        least, most = (float(str(value)) for value in image.getextrema())
        if image.mode == "F" or least < low or most > high:
            low, high = least, most
    if not math.isfinite(high - low):
        raise Reason.UNSUPPORTED_PIXELS.error("some pixels are not numbers")
    scale = 255 / ((high - low) or 1.0)
    return image.convert("F").point(lambda value: value * scale + (0.5 - low * scale)).convert("L")


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """The pixels alone, reduced by the largest whole factor that leaves at least `side` of them."""
    factor = min(image.size) // side
    shrunk = Image.Image.reduce(image, factor) if factor > 1 else image  # which outlives its file
    shrunk.info = {}
    return shrunk


def _damaged(error: Exception) -> RecordError:
    truncated = isinstance(error, EOFError) or "truncated" in str(error).lower()
    reason = Reason.TRUNCATED_FILE if truncated else Reason.DAMAGED
    told = str(error).partition(" <")[0]  # Pillow shows the object that holds the bytes
    return reason.error(f"the picture cannot be decoded: {told}")
