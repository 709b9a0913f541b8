"""JPEGs: what reading one may cost, and ordinary ones decoded without detours.

Pillow decodes with the same library, libjpeg-turbo, to the same pixels, but by strips, and copies
each of them three times until it can be handed on.
"""

from PIL import Image
from PIL.JpegImagePlugin import MARKER, JpegImageFile

from common.reasons import Reason

MAX_SCANS = 100  # of a file that is held whole; each scan costs a pass over the whole picture
MAX_SEGMENTS = 10_000  # before the first scan; 64 kB each, as profiles need, are 640 MB
BYTES_A_PIXEL = 4  # red, green, blue, and one that means nothing

_START = b"\xff\xd8"
_SCAN = b"\xff\xda"
_MODES = ("RGB", "L")


def first_scan(content: bytes) -> int:
    """Where the first scan of a JPEG begins; -1 in other files, and where there is none.

    It is read as Pillow does: what stands between segments is skipped.

    Raises:
        RecordError: so many segments, or filling bytes, that reading the header would take long.
    """
    if not content.startswith(_START):
        return -1
    place = len(_START)
    for _ in range(MAX_SEGMENTS):
        place = content.find(b"\xff", place)
        marker = content[place : place + 2]
        if place < 0 or len(marker) < 2:
            return -1
        if marker == _SCAN:
            return place
        place += 2 + _length(content, place) if marker != b"\xff\xff" else 1
    raise Reason.DAMAGED.error(f"a JPEG of more than {MAX_SEGMENTS:,} segments")


def _length(content: bytes, place: int) -> int:
    """Bytes of a segment after its marker, which is at `place`."""
    _, _, handler = MARKER.get(int.from_bytes(content[place : place + 2]), ("", "", None))
    return max(2, int.from_bytes(content[place + 2 : place + 4])) if handler else 0


def is_held_whole(image: JpegImageFile, content: bytes, scan: int) -> bool:
    """Whether libjpeg holds all coefficients of a picture until it has read all scans.

    So it is with progressive ones, and where the first scan, at `scan`, lacks a colour. Others have
    one scan: a second is an error.

    Raises:
        RecordError: there are so many scans that reading them would take long.
    """
    if "progressive" not in image.info and content[scan + 4 : scan + 5] == bytes([image.layers]):
        return False
    if (scans := content.count(_SCAN)) > MAX_SCANS:
        raise Reason.DAMAGED.error(f"a JPEG of {scans} scans")
    return True


def decoded_into(room: memoryview, image: JpegImageFile, content: bytes) -> Image.Image | None:
    """The picture, as large as `image` was drafted, in RGBX: its pixels are in the room.

    None if it is for Pillow: other colours, too little room, or damage, of which Pillow says what
    it is and how much of the picture can be used.
    """
    import simplejpeg  # here, since it loads NumPy: only decoders do

    if image.mode not in _MODES or image.width * image.height * BYTES_A_PIXEL > len(room):
        return None
    try:
        rows = simplejpeg.decode_jpeg(
            content, "RGBX", min_height=image.height, min_width=image.width, buffer=room
        )
    except ValueError:
        return None
    height, width, _ = rows.shape
    return Image.frombuffer("RGBX", (width, height), rows, "raw", "RGBX", 0, 1)
