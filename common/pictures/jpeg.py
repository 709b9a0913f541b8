"""JPEGs: what reading one may cost, and ordinary ones decoded without detours.

Pillow decodes with the same library, libjpeg-turbo, to the same pixels, but by strips, and copies
each of them three times until it can be handed on.
"""

import struct
from typing import NamedTuple

from PIL import Image
from PIL.JpegImagePlugin import MARKER

from common.reasons import Reason

MAX_SCANS = 100  # of a file that is held whole; each scan costs a pass over the whole picture
MAX_SEGMENTS = 10_000  # before the first scan; 64 kB each, as profiles need, are 640 MB
BYTES_A_PIXEL = 4  # red, green, blue, and one that means nothing

_START = b"\xff\xd8"
_SCAN = b"\xff\xda"
_FILLING = b"\xff\xff"
_WITH_LENGTH = frozenset(
    number.to_bytes(2) for number, (_, _, handler) in MARKER.items() if handler is not None
)
_FRAMES = frozenset(
    number.to_bytes(2) for number, (name, _, _) in MARKER.items() if name.startswith("SOF")
)
_PROGRESSIVE = frozenset({b"\xff\xc2", b"\xff\xc6", b"\xff\xca", b"\xff\xce"})
_FRAME = struct.Struct(">HBHHB")  # length, bits, height, width, colours
# Tables, the two usual frames, JFIF's segment and comments: nothing of them turns a picture, says
# that another follows, or explains its colours.
_PLAIN = frozenset(
    {b"\xff\xdb", b"\xff\xc4", b"\xff\xdd", b"\xff\xc0", b"\xff\xc2", b"\xff\xe0", b"\xff\xfe"}
)


class Header(NamedTuple):
    """What stands before the first scan of a JPEG, whose place is `scan`.

    `is_plain` if nobody need ask Pillow what it means: it has one frame of 8 bits, in grey or three
    colours, and nothing beside it that could matter.
    """

    width: int
    height: int
    colours: int
    is_progressive: bool
    is_plain: bool
    scan: int


def read_header(content: bytes) -> Header | None:
    """The header of a JPEG; None for other files, and where there is no frame or scan.

    It is read as Pillow does: what stands between segments is skipped, and the last frame counts.

    Raises:
        RecordError: so many segments, or filling bytes, that reading the header would take long.
    """
    if not content.startswith(_START):
        return None
    place = len(_START)
    frame, is_progressive, is_plain = b"", False, True
    for _ in range(MAX_SEGMENTS):
        place = content.find(b"\xff", place)
        marker = content[place : place + 2]
        if place < 0 or len(marker) < 2:
            return None
        if marker == _SCAN:
            return _header(frame, place, is_progressive=is_progressive, is_plain=is_plain)
        if marker in _FRAMES:
            is_plain = is_plain and not frame
            frame = content[place + 2 : place + 2 + _FRAME.size]
            is_progressive = is_progressive or marker in _PROGRESSIVE
        is_plain = is_plain and marker in _PLAIN
        place += 1 if marker == _FILLING else 2 + _length(content, place, marker)
    raise Reason.DAMAGED.error(f"a JPEG of more than {MAX_SEGMENTS:,} segments")


def _header(frame: bytes, scan: int, *, is_progressive: bool, is_plain: bool) -> Header | None:
    if len(frame) < _FRAME.size:
        return None
    _, bits, height, width, colours = _FRAME.unpack(frame)
    is_usual = bits == 8 and colours in (1, 3) and width > 0 and height > 0
    return Header(width, height, colours, is_progressive, is_plain and is_usual, scan)


def _length(content: bytes, place: int, marker: bytes) -> int:
    """Bytes of a segment after its marker, which is at `place`."""
    if marker not in _WITH_LENGTH:
        return 0
    return max(2, int.from_bytes(content[place + 2 : place + 4]))


def is_held_whole(header: Header | None, content: bytes) -> bool:
    """Whether libjpeg holds all coefficients of a picture until it has read all scans.

    So it is with progressive ones, and where the first scan lacks a colour. Others have one scan: a
    second is an error. Without a header that we understand, it may be so.

    Raises:
        RecordError: there are so many scans that reading them would take long.
    """
    if header and not header.is_progressive:
        in_first_scan = content[header.scan + 4 : header.scan + 5]
        if in_first_scan == bytes([header.colours]):
            return False
    if (scans := content.count(_SCAN)) > MAX_SCANS:
        raise Reason.DAMAGED.error(f"a JPEG of {scans} scans")
    return True


def drafted_size(width: int, height: int, side: int) -> tuple[int, int]:
    """The size to decode to: a half, a quarter or an eighth, if that leaves `side` pixels a side.

    Pillow's `draft` chooses the same.
    """
    times = min(width, height) // side
    divisor = 8 if times >= 8 else 4 if times >= 4 else 2 if times >= 2 else 1
    return -(-width // divisor), -(-height // divisor)


def decoded_into(room: memoryview, size: tuple[int, int], content: bytes) -> Image.Image | None:
    """The picture of a JPEG in this size (`drafted_size`), in RGBX: its pixels are in the room.

    None if it is for Pillow: other colours, too little room, or damage, of which Pillow says what
    it is and how much of the picture can be used.
    """
    import simplejpeg  # here, since it loads NumPy: only decoders do

    width, height = size
    if width * height * BYTES_A_PIXEL > len(room):
        return None
    try:
        rows = simplejpeg.decode_jpeg(
            content, "RGBX", min_height=height, min_width=width, buffer=room
        )
    except ValueError:
        return None
    if rows.shape[:2] != (height, width):
        return None  # libjpeg read another header than we did
    return Image.frombuffer("RGBX", size, rows, "raw", "RGBX", 0, 1)
