"""JPEGs of every kind are what Pillow makes of them by itself, with and without a room."""

import random
import struct
import zlib
from base64 import b85decode
from contextlib import suppress
from functools import cache
from io import BytesIO

import pytest
from PIL import Image, ImageOps

from common.errors import RecordError
from common.pictures.decode import Decoded, decode
from common.pictures.decoders import Decoders
from common.pictures.jpeg import BYTES_A_PIXEL
from common.pictures.resize import Square
from tests.common.fetch.servers import encoded
from tests.common.pictures.test_decode import ORIENTATION, colours, scene

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on damaged metadata

SIDES = (16, 40, 150, 400)  # an eighth, a quarter, and twice the whole
APP1, APP2, APP5, APP13, APP14, COMMENT = 0xE1, 0xE2, 0xE5, 0xED, 0xEE, 0xFE
AFTER_JFIF = 20
READ_AT_ONCE = 65_536  # bytes, by Pillow
SCAN, FRAME = b"\xff\xda", b"\xff\xc0"

# 96 x 80 pixels, red and blue below green; Pillow reads these kinds and writes neither.
_ARITHMETIC = (
    b"c-s4a<NpH&0WUXCHwH#V1_nkTWcYuZ!I^=VlZ%^+gO{6&n~#r|Usyp@SV%}%T}Dn^K~K}rKu=Rw$Jolt&e+V&Tu0"
    b"X-+|kX)FDN+3$Sx`|Dj>ltFvuTd2qPaKpRk~?ny9Fnzp1XNKgr<#Nd`d<h5&{HW=16jCP7AKLB{`Q7`PY&1Xvjb1X"
    b"=&zV&GwB1WGUqGT1X*IFs1NboTrbt$hVMo^06iLhMb!gX>w!TUGRSNlM3--&+5&Ec*20Co{Pp+&=F)`PWsQ12Sg}c"
    b"Ux?}ad+;0wnMv$MWjx>@#9Z)*Z7yF5|k0O<N6HtoeO7QRpMUA)&2b6^1#=hZ#$h$T>m1hY-6DDgex~wud6TE^hix|"
    b"gZ6Yb$NAnhN9V1NeX^>Ux2GdO<@xl@f_*QG_tszg{c6<%<|~mh+=V4}|8D{S9#V!6"
)
_LOSSLESS = (
    b"c-s4a<NrGbKF5^&q*R6!1`zmvm_d+(A%G!)IY^MfU68>^km3Ik1_=g65MV$89IWgt|8FtyFb6TXGdM8-<sRA|?rdN"
    b"f1#|#R`+EO6V2Doos{Mcn&7M_LKM<izWv|x{B9sZmEv+F!8K-{GJ|dK{OkWvKjQ_o_tS2I=F{-`_KR|?WqX9P>aH9"
    b"b?8gQclHyUuG0XG_OqX9>gfMfoD69D}4pt1"
)


def known(text: bytes) -> bytes:
    return zlib.decompress(b85decode(text))


def lossless() -> bytes:
    return known(_LOSSLESS)


def arithmetic() -> bytes:
    return known(_ARITHMETIC)


def long_arithmetic() -> bytes:
    """One whose scan goes on where Pillow has to read for the second time."""
    content = arithmetic()
    scan = content.index(SCAN)
    middle = (scan + len(content)) // 2
    return with_segment(content, APP5, bytes(READ_AT_ONCE - middle - 4), at=2)


@cache
def noise(mode: str = "RGB") -> Image.Image:
    bands = [Image.effect_noise((643, 401), 90) for _ in range(3)]
    return Image.merge("RGB", bands).convert(mode)


@cache
def plain() -> bytes:
    return encoded(noise())


@cache
def progressive() -> bytes:
    return encoded(noise(), progressive=True)


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def with_segment(content: bytes, marker: int, data: bytes, at: int = AFTER_JFIF) -> bytes:
    return content[:at] + segment(marker, data) + content[at:]


def of_size(content: bytes, width: int, height: int) -> bytes:
    """With another size in its frame header."""
    at = content.index(FRAME) + 5
    return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]


def with_a_frame(width: int, height: int) -> bytes:
    """With a second frame header."""
    at = plain().index(FRAME)
    frame = of_size(plain()[at : at + 19], width, height)
    return plain()[:at] + frame + plain()[at:]


def with_ids(ids: bytes, start: int) -> bytes:
    """With other names of the colours; libjpeg guesses from them what they are."""
    content = bytearray(plain())
    frame, scan = content.index(FRAME), content.index(SCAN)
    for number, name in enumerate(ids):
        content[frame + 10 + 3 * number] = content[scan + 5 + 2 * number] = name
    return bytes(content[:2] + content[start:])


def adobe(content: bytes, transform: int) -> bytes:
    return with_segment(content, APP14, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def mpo() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    second = scene(100, 80)
    return encoded(noise(), "MPO", save_all=True, append_images=[second], exif=exif)


def exif(kind: int, value: bytes, far: bytes = b"") -> bytes:
    """With an orientation in a field of another kind."""
    entry = struct.pack("<HHI", ORIENTATION, kind, 1) + value
    return with_segment(
        plain(), APP1, b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4) + far, at=2
    )


def with_thumbnail() -> bytes:
    small = encoded(scene(160, 120))
    first = struct.pack("<HHII", 0x201, 4, 1, 56) + struct.pack("<HHII", 0x202, 4, 1, len(small))
    entry = struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0)
    start = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + struct.pack("<I", 26)
    return with_segment(plain(), APP1, start + b"\x02\0" + first + bytes(4) + small)


def in_scan(new: bytes, skipped: int = 0) -> bytes:
    """With other bytes in the middle of its scan."""
    middle = len(plain()) // 2
    return plain()[:middle] + new + plain()[middle + skipped :]


def restarting() -> bytes:
    return encoded(noise(), restart_marker_rows=1)


INFINITE = struct.pack("<f", float("inf"))
READABLE = {
    "4:4:4": lambda: encoded(noise(), subsampling="4:4:4"),
    "4:2:2": lambda: encoded(noise(), subsampling="4:2:2"),
    "progressive": progressive,
    "grey": lambda: encoded(noise("L")),
    "grey, of Adobe": lambda: adobe(encoded(noise("L")), 1),
    "CMYK": lambda: encoded(noise("CMYK")),
    "YCCK": lambda: encoded(noise("CMYK")).replace(b"Adobe\0d\0\0\0\0\0", b"Adobe\0d\0\0\0\0\2"),
    "RGB": lambda: encoded(noise(), keep_rgb=True),
    "Adobe says RGB": lambda: adobe(plain(), 0),
    "Adobe says YCbCr": lambda: adobe(plain(), 1),
    "Adobe says nonsense": lambda: adobe(plain(), 255),
    "names RGB": lambda: with_ids(b"RGB", AFTER_JFIF),
    "names RGB, JFIF": lambda: with_ids(b"RGB", 2),
    "names of nothing": lambda: with_ids(b"\x01\x22\x23", AFTER_JFIF),
    "restarts": restarting,
    "restart missing": lambda: restarting().replace(b"\xff\xd3", b"", 1),
    "restart of another number": lambda: restarting().replace(b"\xff\xd3", b"\xff\xd6", 1),
    "restart that nobody announced": lambda: in_scan(b"\xff\xd0"),
    "segment in the scan": lambda: in_scan(b"\xff\xe5\0\4ab"),
    "zeros in the scan": lambda: in_scan(bytes(3000), 3000),
    "narrower than its pixels": lambda: of_size(plain(), 640, 401),
    "lower than its pixels": lambda: of_size(plain(), 643, 300),
    "higher than its pixels": lambda: of_size(plain(), 643, 1000),
    "wider than its pixels": lambda: of_size(plain(), 1000, 401),
    "several pictures, turned": mpo,
    "two files": lambda: plain() + encoded(scene(100, 80)),
    "the smaller of two files first": lambda: encoded(scene(100, 80)) + plain(),
    "garbage between segments": lambda: plain()[:20] + b"garbage\xff\0" * 99 + plain()[20:],
    "filling bytes": lambda: plain()[:20] + b"\xff" * 999 + plain()[20:],
    "a thumbnail, turned": with_thumbnail,
    "damaged list of pictures": lambda: with_segment(plain(), APP2, b"MPF\0II*\0\x08\0\0\0\xff"),
    "part of a colour profile": lambda: with_segment(plain(), APP2, b"ICC_PROFILE\0\x01\x05abc"),
    "empty comment": lambda: with_segment(plain(), COMMENT, b""),
    "scans in a segment": lambda: with_segment(plain(), APP13, b"x\xff\xda\0\0" * 200),
    "lines counted at its end": lambda: plain()[:-2] + b"\xff\xdc\0\x04\0\x64\xff\xd9",
    "orientation of many bytes": lambda: exif(4, b"\x06\0\0\0"),
    "orientation no number": lambda: exif(2, b"x\0\0\0"),
    "orientation not there": lambda: exif(12, b"\xff\xff\xff\x7f"),
    "orientation by zero": lambda: exif(5, struct.pack("<I", 26), struct.pack("<II", 6, 0)),
    "infinite orientation": lambda: exif(11, INFINITE),
    "progressive, and a film after it": lambda: progressive() + random.Random(1).randbytes(8 << 20),
    "progressive, and scans in a segment": lambda: with_segment(
        progressive(), APP13, b"x\xff\xda\0\0" * 200
    ),
    "arithmetic": arithmetic,
    "lossless": lossless,
}
UNREADABLE = {
    "12 bits": lambda: plain().replace(FRAME + b"\0\x11\x08", FRAME + b"\0\x11\x0c"),
    "two frames": lambda: with_a_frame(643, 401),
    "two frames of different sizes": lambda: with_a_frame(100, 90),
    "no width": lambda: of_size(plain(), 0, 401),
    "no height, counted at its end": lambda: (
        of_size(plain(), 643, 0)[:-2] + b"\xff\xdc\0\x04\x01\x91\xff\xd9"
    ),
    "two starts": lambda: plain()[:2] + plain(),
    "cut in its scan": lambda: plain()[:-1000],
    "cut in its header": lambda: plain()[:100],
    "JFIF without a version": lambda: with_segment(plain(), 0xE0, b"JFIF\0"),
    "hierarchical": lambda: plain().replace(FRAME, b"\xff\xc5"),
}


def by_pillow(content: bytes) -> Image.Image:
    """The whole picture, upright."""
    with Image.open(BytesIO(content)) as image:
        image.load()
        return ImageOps.exif_transpose(image).convert("RGB")


def found(content: bytes, side: int, *, in_room: bool) -> Decoded:
    room = memoryview(bytearray(BYTES_A_PIXEL * 300_000)) if in_room else None
    return decode(content, shorter_side=side, room=room)


@pytest.mark.parametrize("in_room", [False, True], ids=["without a room", "in a room"])
@pytest.mark.parametrize("kind", READABLE)
def test_the_whole_picture_is_that_of_pillow(kind, in_room):
    content = READABLE[kind]()
    expected = by_pillow(content)
    decoded = found(content, SIDES[-1], in_room=in_room)
    assert (decoded.width, decoded.height) == expected.size
    assert decoded.image.convert("RGB").tobytes() == expected.tobytes()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", READABLE)
def test_the_pixels_are_the_same_with_and_without_a_room(kind, side):
    content = READABLE[kind]()
    one, other = (found(content, side, in_room=in_room) for in_room in (False, True))
    assert (one.width, one.height) == (other.width, other.height) == by_pillow(content).size
    assert one.image.size == other.image.size
    assert one.image.tobytes() == other.image.convert("RGB").tobytes()


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_pillow_cannot_read_is_a_failure_of_the_record(kind):
    content = UNREADABLE[kind]()
    with pytest.raises((OSError, SyntaxError, ValueError)):
        by_pillow(content)
    words = set()
    for in_room in (False, True):
        with pytest.raises(RecordError) as caught:
            found(content, SIDES[0], in_room=in_room)
        words.add(str(caught.value))
    assert len(words) == 1


@pytest.mark.parametrize("in_room", [False, True], ids=["without a room", "in a room"])
def test_arithmetic_coding_of_more_than_pillow_reads_at_once(in_room):
    decoded = found(long_arithmetic(), 40, in_room=in_room)
    assert colours(decoded.image.convert("RGB")) == ["R", "B", "G", "R"]


def flat_lossless(width: int, height: int) -> bytes:
    """A grey surface in RGB without loss: a bit for each pixel of each colour."""
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"R\x11\0G\x11\0B\x11\0"
    header = segment(0xC3, frame) + segment(0xC4, b"\0\x01" + bytes(16))
    scan = segment(0xDA, b"\x03R\0G\0B\0\x01\0\0")
    return b"\xff\xd8" + header + scan + bytes((3 * width * height + 7) // 8) + b"\xff\xd9"


def test_nothing_is_written_beyond_the_room():
    memory = bytearray(b"\xaa" * (BYTES_A_PIXEL * 640 * 480))
    rows = BYTES_A_PIXEL * 80 * 60
    with suppress(RecordError):
        decode(flat_lossless(640, 480), shorter_side=20, room=memoryview(memory)[:rows])
    untouched = memory.count(0xAA, rows)
    assert untouched == len(memory) - rows


def test_a_decoder_outlives_a_large_lossless_picture():
    content, square = flat_lossless(9000, 8000), Square(side=64, resize="squash")
    with Decoders(1) as decoders:
        assert decoders.pixels(content, square, lambda pixels: pixels.width) >= 64


@pytest.mark.parametrize("in_room", [False, True], ids=["without a room", "in a room"])
def test_a_lossless_picture_that_is_wanted_small(in_room):
    decoded = found(lossless(), 16, in_room=in_room)
    assert (decoded.width, decoded.height) == (96, 80)
    assert min(decoded.image.size) >= 32
    assert colours(decoded.image.convert("RGB")) == ["R", "B", "G", "R"]
