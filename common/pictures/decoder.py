"""The decoder: a program that decodes untrusted pictures, one at a time, and may die of one.

`decoders` starts it and tells it by a socket what to do. Bytes come in and pixels go out by shared
memory. After loading Pillow the program limits itself: no new file or socket, no writing to files,
bounded memory, and for each picture a time on the processor that grows with the pixels that its
header declares. When that time is over, the system ends the program.

    python -m common.pictures.decoder SOCKET INPUT OUTPUT MEMORY    file descriptors, and bytes
"""

import codecs
import gc
import io
import mmap
import os
import resource
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from common.errors import RecordError
from common.pictures.decode import Decoded, TooLargeError, decode
from common.pictures.decoder_messages import (
    DETAIL_CHARACTERS,
    INPUT_BYTES,
    MESSAGE_BYTES,
    OUTPUT_BYTES,
    DecoderReply,
    DecoderRequest,
    packed,
    request_of,
)
from common.pictures.jpeg import BYTES_A_PIXEL
from common.pictures.resize import squared, within
from common.reasons import Reason

ORDINARY_MEMORY = 320 << 20  # bytes, beyond what the idle program uses
LARGE_MEMORY = 1400 << 20
ORDINARY_PIXELS = 24_000_000  # held at a time; a picture of more is for a decoder of large ones
SMALL_PIXELS = 4_000_000  # declared; a failure at a picture of less is not for want of memory
OPENING_SECONDS = 2.0  # of the processor, until the header is read
SECONDS_A_MEGAPIXEL = 0.1  # of the processor; the slowest kind that was measured takes 0.06
MOST_PIXELS = 2_800_000  # 11 MB, that are given to the one who asks
JPEG_QUALITY = 90
NO_MEMORY = 71  # the exit code where there was not even memory left to say so
KEPT = frozenset({"JPEG", "PNG"})  # formats of small pictures that are stored as they came

_MAY_BE_MEMORY = (Reason.OUT_OF_MEMORY, Reason.DAMAGED)  # libraries do not always tell
_PLUGINS = (
    *(BmpImagePlugin, GifImagePlugin, Jpeg2KImagePlugin, JpegImagePlugin, MpoImagePlugin),
    *(PngImagePlugin, TiffImagePlugin, WebPImagePlugin),
)  # loaded now, since no file can be opened later; so are codecs
_CODECS = ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-le", "utf-16-be")


def pixel_rows(image: Image.Image) -> bytes:
    """An RGB picture as Pillow holds it: four bytes a pixel, row by row; the fourth means nothing.

    To leave it out takes longer than to carry it.
    """
    return image.tobytes("raw", "RGBX")


class Decoder:
    """What answers requests; `is_ordinary` is one with little memory."""

    def __init__(self, data: mmap.mmap, output: mmap.mmap, *, is_ordinary: bool) -> None:
        self._data = data
        self._output = output
        self._room = memoryview(output)[: BYTES_A_PIXEL * MOST_PIXELS]
        self._is_ordinary = is_ordinary
        self._declared = 0  # pixels, by the header of the picture in work

    def reply(self, request: DecoderRequest) -> DecoderReply:
        self._declared = 0
        signal.setitimer(signal.ITIMER_PROF, OPENING_SECONDS)
        try:
            return self._work(request)
        except TooLargeError:
            return DecoderReply(is_too_large=True)
        except RecordError as error:
            reason = Reason.of(error)
            is_too_large = self._is_ordinary and reason in _MAY_BE_MEMORY and self._may_be_large
            detail = error.detail[:DETAIL_CHARACTERS]
            return DecoderReply(reason=reason.name, detail=detail, is_too_large=is_too_large)
        except MemoryError:
            os._exit(NO_MEMORY)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    @property
    def _may_be_large(self) -> bool:
        return not 0 < self._declared < SMALL_PIXELS

    def _work(self, request: DecoderRequest) -> DecoderReply:
        content = self._data[: request.length]
        room = self._room if request.task == "pixels" else None
        decoded = decode(content, shorter_side=request.shorter_side, admit=self._admit, room=room)
        shown = decoded.image
        if request.task == "pixels" and shown.width * shown.height <= MOST_PIXELS:
            is_there = decoded.is_in_room
            length = _bytes_of(shown) if is_there else self._put(pixel_rows(shown))
            return _about(decoded, shown.size, length)
        if request.square:
            square = squared(shown, request.square)
            return _about(decoded, square.size, self._put(pixel_rows(square)), is_square=True)
        if request.task == "file" and not _is_kept(decoded, request.side):
            smaller = within(shown, request.side)
            return _about(decoded, smaller.size, self._put(_jpeg(smaller)))
        return _about(decoded)

    def _admit(self, declared: int, held: int) -> None:
        self._declared = declared
        if self._is_ordinary and held > ORDINARY_PIXELS:
            raise TooLargeError
        seconds = OPENING_SECONDS + SECONDS_A_MEGAPIXEL * declared / 1e6
        signal.setitimer(signal.ITIMER_PROF, seconds)

    def _put(self, result: bytes) -> int:
        if len(result) > OUTPUT_BYTES:
            raise Reason.TOO_MUCH_MEMORY.error(f"the decoded picture has {len(result)} bytes")
        self._output[: len(result)] = result
        return len(result)


def _about(
    decoded: Decoded, size: tuple[int, int] = (0, 0), length: int = 0, *, is_square: bool = False
) -> DecoderReply:
    return DecoderReply(
        length=length,
        width=decoded.width,
        height=decoded.height,
        format=decoded.format,
        new_width=size[0],
        new_height=size[1],
        is_square=is_square,
    )


def _bytes_of(image: Image.Image) -> int:
    return BYTES_A_PIXEL * image.width * image.height


def main() -> None:
    channel, source, target, memory = map(int, sys.argv[1:])
    data, output = mmap.mmap(source, INPUT_BYTES), mmap.mmap(target, OUTPUT_BYTES)
    os.close(source)
    os.close(target)
    decoder = Decoder(data, output, is_ordinary=memory < LARGE_MEMORY)
    with socket.socket(fileno=channel) as asked:
        _limit(memory)
        while packet := asked.recv(MESSAGE_BYTES):
            asked.send(packed(decoder.reply(request_of(packet))))


def _limit(memory: int) -> None:
    """Give up what decoding does not need; `memory` in bytes is added to what is in use now."""
    for name in _CODECS:
        codecs.lookup(name)
    Image.new("RGB", (8, 8)).save(io.BytesIO(), "JPEG")  # loads what encoding needs
    import_module("simplejpeg")
    gc.freeze()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for limit, value in (
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, used + memory),
        (resource.RLIMIT_NOFILE, 0),  # open ones stay; closing one makes no room for another
    ):
        resource.setrlimit(limit, (value, value))


def _is_kept(decoded: Decoded, side: int) -> bool:
    return decoded.format in KEPT and max(decoded.width, decoded.height) <= side


def _jpeg(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=JPEG_QUALITY)
    return target.getvalue()


if __name__ == "__main__":
    main()
