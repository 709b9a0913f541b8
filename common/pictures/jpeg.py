"""JPEGs: what reading one may cost, and ordinary ones decoded without detours.

Pillow decodes with the same library, libjpeg-turbo, to the same pixels, but by strips, and copies
each of them three times until it can be handed on.
"""

import re
import struct
from dataclasses import dataclass

from PIL import Image
from PIL.JpegImagePlugin import MARKER

from common.reasons import Reason

MAX_SCANS = 100  # of a file that is held whole; each scan costs a pass over the whole picture
MAX_SEGMENTS = 10_000  # before the first scan; 64 kB each, as profiles need, are 640 MB
BYTES_A_PIXEL = 4  # red, green, blue, and one that means nothing

_START, _SCAN, _END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_FILLING = b"\xff\xff"
_SEGMENT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # in coded pixels no marker but these
_FRAME = struct.Struct(">HBHHB")  # length, bits, height, width, colours


def _markers(*names: str) -> frozenset[bytes]:
    """Those whose names begin so."""
    return frozenset(
        number.to_bytes(2) for number, (name, _, _) in MARKER.items() if name.startswith(names)
    )


_WITH_LENGTH = frozenset(
    number.to_bytes(2) for number, (_, _, handler) in MARKER.items() if handler is not None
)
_FRAMES = _markers("SOF")
_PROGRESSIVE = frozenset({b"\xff\xc2", b"\xff\xca"})
_ARITHMETIC = frozenset({b"\xff\xc9", b"\xff\xca"})
_LOSSLESS = frozenset({b"\xff\xc3", b"\xff\xcb"})
_USUAL_FRAMES = frozenset({b"\xff\xc0", b"\xff\xc1", b"\xff\xc2"})
_JFIF = b"\xff\xe0"
_SHORT_JFIF = 9  # bytes, with its length: in a shorter one Pillow misses the version
_PLAIN = _USUAL_FRAMES | _markers("DQT", "DHT", "DRI", "COM") | {_JFIF}
_ORDINARY = _PLAIN | _markers("APP")


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the first scan of a JPEG; of several frames the last.

    `is_ordinary`: there is one frame, of 8 bits, of those that libjpeg can make smaller, and
    nothing but segments that adjoin and that everybody skips or reads alike. So libjpeg surely
    finds the frame that we found. `is_plain`: besides, nothing turns the picture, explains its
    colours, or says that others follow.
    """

    width: int
    height: int
    colours: int
    frame: bytes  # its marker
    scan: int  # where it begins
    is_ordinary: bool
    is_plain: bool

    @property
    def is_lossless(self) -> bool:
        """Whether libjpeg can only decode it in its full size."""
        return self.frame in _LOSSLESS

    @property
    def is_arithmetic(self) -> bool:
        """Whether libjpeg must have all of a scan before it decodes it."""
        return self.frame in _ARITHMETIC


def read_header(content: bytes) -> Header | None:
    """The header of a JPEG; None for other files, and where there is no frame or scan.

    It is read as Pillow does: what stands between segments is skipped, and the last frame counts.

    Raises:
        RecordError: so many segments, or filling bytes, that reading the header would take long.
    """
    if not content.startswith(_START):
        return None
    place, after, frame = len(_START), len(_START), -1
    is_ordinary = is_plain = True
    for _ in range(MAX_SEGMENTS):
        place = content.find(b"\xff", after)
        marker = content[place : place + 2]
        if place < 0 or len(marker) < 2:
            return None
        is_ordinary = is_ordinary and place == after
        if marker == _SCAN:
            return _header(content, frame, place, is_ordinary=is_ordinary, is_plain=is_plain)
        is_ordinary = is_ordinary and marker in _ORDINARY
        length = _length(content, place, marker)
        is_plain = is_plain and marker in _PLAIN and (marker != _JFIF or length >= _SHORT_JFIF)
        if marker in _FRAMES:
            is_ordinary = is_ordinary and frame < 0
            frame = place
        after = place + (1 if marker == _FILLING else 2 + length)
    raise Reason.DAMAGED.error(f"a JPEG with more than {MAX_SEGMENTS:,} segments")


def _header(
    content: bytes, frame: int, scan: int, *, is_ordinary: bool, is_plain: bool
) -> Header | None:
    if not 0 < frame <= len(content) - 2 - _FRAME.size:
        return None
    _, bits, height, width, colours = _FRAME.unpack_from(content, frame + 2)
    is_ordinary = is_ordinary and bits == 8 and colours in (1, 3, 4) and width > 0 and height > 0
    return Header(
        width=width,
        height=height,
        colours=colours,
        frame=content[frame : frame + 2],
        scan=scan,
        is_ordinary=is_ordinary,
        is_plain=is_ordinary and is_plain and colours in (1, 3),
    )


def _length(content: bytes, place: int, marker: bytes) -> int:
    """Bytes of a segment after its marker, which is at `place`."""
    if marker not in _WITH_LENGTH:
        return 0
    return max(2, int.from_bytes(content[place + 2 : place + 4]))


def is_held_whole(header: Header | None, content: bytes) -> bool:
    """Whether libjpeg may hold all coefficients of a picture until it has read all scans.

    So it is with progressive ones, and where the first scan lacks a colour. Other ordinary ones
    have one scan: a second is an error.

    Raises:
        RecordError: there are so many scans that reading them would take long.
    """
    if header and header.is_ordinary and header.frame not in _PROGRESSIVE:
        in_first_scan = content[header.scan + 4 : header.scan + 5]
        if in_first_scan == bytes([header.colours]):
            return False
    first = header.scan if header else 0
    if content.count(_SCAN, first) > MAX_SCANS and (scans := _scans(content, first)) > MAX_SCANS:
        raise Reason.DAMAGED.error(f"a JPEG with {scans} scans")
    return True


def _scans(content: bytes, place: int) -> int:
    """How many scans there are from `place` to the end of the picture, which may not be the file's.

    Segments between scans, and what is behind the end, may hold bytes like those of a scan.
    """
    scans = 0
    while found := _SEGMENT.search(content, place):
        marker = found.group()
        if marker == _END:
            break
        scans += marker == _SCAN
        place = found.start() + 2 + _length(content, found.start(), marker)
    return scans


def drafted_size(width: int, height: int, side: int) -> tuple[int, int]:
    """The size to decode to: a half, a quarter or an eighth, if that leaves `side` pixels a side.

    Pillow's `draft` chooses the same.
    """
    times = min(width, height) // side
    divisor = 8 if times >= 8 else 4 if times >= 4 else 2 if times >= 2 else 1
    return -(-width // divisor), -(-height // divisor)


def decoded_into(room: memoryview, size: tuple[int, int], content: bytes) -> Image.Image | None:
    """An ordinary JPEG in this size (`drafted_size`), in RGBX: its pixels are in the room.

    Only an ordinary one: of others simplejpeg may write more pixels than it has asked whether there
    is room for, as it does of lossless ones.

    None if it is for Pillow: too little room, or damage, of which Pillow says what it is and how
    much of the picture can be used.
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
    return Image.frombuffer("RGBX", size, rows, "raw", "RGBX", 0, 1)
