"""Answers that are small on the wire and huge in memory, and pictures that cost a decoder much."""

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache

from PIL import Image

GZIP_BOMB_BYTES = 256 * 2**20
PIXEL_BOMB_SIDE = 30_000


@cache
def gzip_bomb() -> bytes:
    """Zeros, packed about a thousand times smaller."""
    packer = zlib.compressobj(wbits=31)
    zeros = bytes(2**20)
    packed = [packer.compress(zeros) for _ in range(GZIP_BOMB_BYTES // len(zeros))]
    return b"".join(packed) + packer.flush()


@cache
def pixel_bomb() -> bytes:
    """A black PNG of one bit a pixel; 900 million pixels, 2.7 GB as RGB."""
    packer = zlib.compressobj()
    rows = bytes(1 + PIXEL_BOMB_SIDE // 8) * 100
    packed = [packer.compress(rows) for _ in range(PIXEL_BOMB_SIDE // 100)]
    header = struct.pack(">IIBBBBB", PIXEL_BOMB_SIDE, PIXEL_BOMB_SIDE, 1, 0, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", b"".join(packed) + packer.flush()),
            _chunk(b"IEND", b""),
        )
    )


def tile_bomb(side: int = 25_008) -> bytes:
    """A TIFF of 16 x 16 pixels in one tile that is much larger."""
    data = zlib.compress(bytes(1000))
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side}
    offset = 8 + 2 + 12 * (len(tags) + 2) + 4
    entries = [(tag, 4, 1, value) for tag, value in (tags | {324: offset, 325: len(data)}).items()]
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *entry) for entry in entries
    )
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + data


def jpeg_bombs() -> Iterator[tuple[str, bytes]]:
    """JPEGs that repeat a part of themselves, with its name; one at a time: some are large."""
    small = _small_jpeg()
    before, scan = _declaring_225_megapixels(small)
    yield "60,000 empty scans", before + scan * 60_000 + b"\xff\xd9"
    yield "three scans of 225 MP", before + scan * 3 + b"\xff\xd9"
    exif = b"\xff\xe1\x00\x08Exif\0\0"
    yield "two million Exif segments", b"\xff\xd8" + exif * 2_000_000 + small[2:]
    yield "32 MB of empty markers", b"\xff\xd8" + b"\xff\xe2\x00\x02" * 8_000_000 + small[2:]


def _small_jpeg() -> bytes:
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(stream, "JPEG")
    return stream.getvalue()


def _declaring_225_megapixels(jpeg: bytes) -> tuple[bytes, bytes]:
    """The part before the scan, with another size in its header; the head of the scan."""
    content = bytearray(jpeg)
    frame, scan = content.find(b"\xff\xc0"), content.find(b"\xff\xda")
    content[frame + 5 : frame + 9] = struct.pack(">HH", 15_000, 15_000)
    (length,) = struct.unpack(">H", content[scan + 2 : scan + 4])
    return bytes(content[:scan]), bytes(content[scan : scan + 2 + length])


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
