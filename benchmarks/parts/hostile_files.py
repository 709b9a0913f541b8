"""Picture files that mean ill, each for four addresses, and the reasons that may become of them."""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from deploy.sandbox.hosts.bombs import pixel_bomb

REFUSED = frozenset({"too_many_pixels"})
DAMAGED = frozenset({"damaged", "truncated"})
COSTLY = frozenset({"decoding_too_long", "too_much_memory"})


@dataclass(frozen=True)
class HostileFile:
    """A file, and the reasons with which it may fail."""

    kind: str
    content: bytes
    reasons: frozenset[str]


def hostile_files() -> Iterator[HostileFile]:
    """Ten kinds, one at a time: together they would be much memory."""
    before, scan = _jpeg_parts()
    small = _encoded("JPEG", 64, 64)
    yield HostileFile("60,000 empty scans", before + scan * 60_000 + b"\xff\xd9", DAMAGED)
    yield HostileFile("three scans of 225 MP", before + scan * 3 + b"\xff\xd9", DAMAGED)
    exif = b"\xff\xd8" + b"\xff\xe1\x00\x08Exif\0\0" * 2_000_000 + small[2:]
    yield HostileFile("two million Exif segments", exif, DAMAGED)
    markers = b"\xff\xd8" + b"\xff\xe2\x00\x02" * 8_000_000 + small[2:]
    yield HostileFile("32 MB of empty markers", markers, DAMAGED)
    yield HostileFile("a tile of 25,000 squared", _tiff_of_a_tile(25_008), DAMAGED | COSTLY)
    yield HostileFile("WebP of 64 MP, cut", _cut(_encoded("WEBP", 7990, 8000)), DAMAGED)
    yield HostileFile("JPEG 2000 of 90 MP", _encoded("JPEG2000", 9500, 9500), REFUSED)
    yield HostileFile("PNG of 120 MP, cut", _cut(_encoded("PNG", 12_000, 10_000)), DAMAGED)
    yield HostileFile("PNG of 900 MP", pixel_bomb(), REFUSED)
    yield HostileFile("truncated", _cut(_encoded("JPEG", 1500, 1000)), DAMAGED)


def _encoded(name: str, width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(stream, name)
    return stream.getvalue()


def _cut(content: bytes) -> bytes:
    return content[: len(content) * 9 // 10]


def _jpeg_parts() -> tuple[bytes, bytes]:
    """What stands before the scan of a small JPEG, its header declaring 225 megapixels; a scan."""
    content = bytearray(_encoded("JPEG", 64, 64))
    frame, scan = content.find(b"\xff\xc0"), content.find(b"\xff\xda")
    content[frame + 5 : frame + 9] = struct.pack(">HH", 15_000, 15_000)
    (length,) = struct.unpack(">H", content[scan + 2 : scan + 4])
    return bytes(content[:scan]), bytes(content[scan : scan + 2 + length])


def _tiff_of_a_tile(side: int) -> bytes:
    """16 x 16 pixels in one tile that is much larger."""
    data = zlib.compress(bytes(1000))
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side}
    offset = 8 + 2 + 12 * (len(tags) + 2) + 4
    entries = [(tag, 4, 1, value) for tag, value in (tags | {324: offset, 325: len(data)}).items()]
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *entry) for entry in entries
    )
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + data
