"""Hostile picture files, and the reasons with which they may fail."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from deploy.sandbox.hosts.bombs import jpeg_bombs, pixel_bomb, tile_bomb

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
    """Ten kinds, one at a time: together they would need much memory."""
    for kind, content in jpeg_bombs():
        yield HostileFile(kind, content, DAMAGED)
    yield HostileFile("a tile of 25,000 squared", tile_bomb(), DAMAGED | COSTLY)
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
