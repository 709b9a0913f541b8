"""Mutated pictures of all formats."""

from contextlib import suppress

import pytest

from common.errors import RecordError
from common.pictures.decoders import Decoders, Pixels
from common.reasons import Reason
from common.vision.preprocessing import Preprocessing
from deploy.sandbox.hosts.bombs import tile_bomb
from tests.common.fetch.servers import encoded
from tests.common.pictures.test_decode import scene
from tests.common.pictures.test_decoders import FORMATS
from tests.fuzz.trying import TIMEOUT, try_mutations

pytestmark = [pytest.mark.slow, pytest.mark.fuzz, pytest.mark.timeout(TIMEOUT)]
SIDE = 64
SQUARE = Preprocessing(size=SIDE)


def shape_of(pixels: Pixels) -> tuple[int, ...]:
    return tuple(SQUARE.from_pixels(pixels).shape)


def seeds() -> list[bytes]:
    small = scene(120, 80)
    plain = [encoded(small, name) for name in FORMATS]
    options = [
        encoded(small, "JPEG", progressive=True),
        encoded(small.convert("CMYK"), "JPEG"),
        encoded(small, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
        encoded(small.convert("P"), "PNG", transparency=0),
        encoded(small, "PNG", interlace=1),
        encoded(small, "WEBP", lossless=True),
        encoded(small, "GIF", save_all=True, append_images=[small.rotate(90)]),
        *(encoded(small, "TIFF", compression=name) for name in ("tiff_lzw", "jpeg", "packbits")),
        tile_bomb(64),
    ]
    return plain + options


def test_a_mutated_picture_ends_in_pixels_or_with_a_reason() -> None:
    with Decoders(1) as decoders:

        def try_one(content: bytes) -> None:
            try:
                shape = decoders.pixels(content, SQUARE.square, shape_of)
            except RecordError as error:
                assert error.stage == "decode"
                assert Reason.of(error)
            else:
                assert shape == (3, SIDE, SIDE)
            with suppress(RecordError):
                decoders.file(content, longest_side=SIDE)

        try_mutations(seeds(), try_one, seconds_each=60)
