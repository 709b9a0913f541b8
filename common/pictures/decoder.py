"""The decoder: a program that decodes strangers' pictures, one at a time, and may die of one.

`decoders` starts it and tells it by a pipe what to do. Bytes come in and pixels go out by shared
memory. After loading Pillow the program limits itself: no new file or socket, no writing to files,
bounded memory, and for each picture a time on the processor that grows with the pixels that its
header declares. When that time is over, the system ends the program.

    python -m common.pictures.decoder INPUT OUTPUT MEMORY    file descriptors, and bytes
"""

import codecs
import gc
import io
import json
import math
import mmap
import os
import resource
import signal
import struct
import sys
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import IO, Literal

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
from common.pictures.jpeg import BYTES_A_PIXEL
from common.pictures.resize import Square, squared, within
from common.reasons import Reason

INPUT_BYTES = 101 << 20  # a picture has at most 100 million
OUTPUT_BYTES = 64 << 20
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

_LENGTH = struct.Struct("<I")
_MAY_BE_MEMORY = (Reason.OUT_OF_MEMORY, Reason.DAMAGED)  # libraries do not always tell
_PLUGINS = (
    *(BmpImagePlugin, GifImagePlugin, Jpeg2KImagePlugin, JpegImagePlugin, MpoImagePlugin),
    *(PngImagePlugin, TiffImagePlugin, WebPImagePlugin),
)  # loaded now, since no file can be opened later; so are codecs
_CODECS = ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-le", "utf-16-be")


@dataclass(frozen=True, kw_only=True)
class DecoderRequest:
    """What to do with the first `length` bytes of the input.

    `pixels`: decode, for a square (`Square`) that the one who asks makes; if the pixels are more
    than MOST_PIXELS, as those of a very long picture, the decoder makes it.
    `square`: decode, and resize to a square.
    `file`: decode, and write a JPEG whose longer side has at most `side` pixels, unless the file
    is small enough to be stored as it came.
    `check`: decode only.
    """

    task: Literal["pixels", "square", "file", "check"]
    length: int
    side: int
    resize: str = ""
    kept: float = 1.0
    interpolation: str = "bicubic"

    @property
    def shorter_side(self) -> int:
        """Pixels that the shorter side of the picture is to have, at least."""
        return math.ceil(self.side / self.kept)


@dataclass(frozen=True, kw_only=True)
class DecoderAnswer:
    """The first `length` bytes of the output are the result, or `reason` names a failure.

    Width and height are those of the original, upright, and `new_` those of the result, which
    `is_square` if it was resized to the square that was asked for.
    """

    length: int = 0
    width: int = 0
    height: int = 0
    format: str = ""
    new_width: int = 0
    new_height: int = 0
    is_square: bool = False
    is_too_large: bool = False  # for this decoder
    reason: str = ""
    detail: str = ""


def send(stream: IO[bytes], message: DecoderRequest | DecoderAnswer) -> None:
    """Write a message and its length."""
    text = json.dumps(vars(message)).encode()
    stream.write(_LENGTH.pack(len(text)) + text)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """The text of the next message, or nothing if the other side has closed the pipe."""
    head = stream.read(_LENGTH.size)
    return stream.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""


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

    def answer(self, request: DecoderRequest) -> DecoderAnswer:
        """Decode the picture in the input."""
        self._declared = 0
        signal.setitimer(signal.ITIMER_PROF, OPENING_SECONDS)
        try:
            return self._work(request)
        except TooLargeError:
            return DecoderAnswer(is_too_large=True)
        except RecordError as error:
            reason = Reason.of(error)
            is_too_large = self._is_ordinary and reason in _MAY_BE_MEMORY and self._may_be_large
            return DecoderAnswer(reason=reason.name, detail=error.detail, is_too_large=is_too_large)
        except MemoryError:
            os._exit(NO_MEMORY)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    @property
    def _may_be_large(self) -> bool:
        return not 0 < self._declared < SMALL_PIXELS

    def _work(self, request: DecoderRequest) -> DecoderAnswer:
        content = self._data[: request.length]
        room = self._room if request.task == "pixels" else None
        decoded = decode(content, shorter_side=request.shorter_side, admit=self._admit, room=room)
        answer = DecoderAnswer(width=decoded.width, height=decoded.height, format=decoded.format)
        shown = decoded.image
        if request.task == "pixels" and shown.width * shown.height <= MOST_PIXELS:
            if decoded.is_in_room:
                return _of(answer, shown.size, BYTES_A_PIXEL * shown.width * shown.height)
            return self._with(answer, shown.size, pixel_rows(shown))
        if request.task in ("pixels", "square"):
            how = Square(
                side=request.side,
                resize=request.resize,
                kept=request.kept,
                interpolation=request.interpolation,
            )
            square = squared(shown, how)
            rows = pixel_rows(square) if request.task == "pixels" else square.tobytes()
            return self._with(replace(answer, is_square=True), square.size, rows)
        if request.task == "file" and not _is_kept(decoded, request.side):
            smaller = within(decoded.image, request.side)
            return self._with(answer, smaller.size, _jpeg(smaller))
        return answer

    def _admit(self, declared: int, held: int) -> None:
        """Refuse a picture that is too large for this decoder; give others the time they need."""
        self._declared = declared
        if self._is_ordinary and held > ORDINARY_PIXELS:
            raise TooLargeError
        seconds = OPENING_SECONDS + SECONDS_A_MEGAPIXEL * declared / 1e6
        signal.setitimer(signal.ITIMER_PROF, seconds)

    def _with(self, answer: DecoderAnswer, size: tuple[int, int], result: bytes) -> DecoderAnswer:
        if len(result) > OUTPUT_BYTES:
            raise Reason.TOO_MUCH_MEMORY.error(f"{len(result)} bytes once it is decoded")
        self._output[: len(result)] = result
        return _of(answer, size, len(result))


def _of(answer: DecoderAnswer, size: tuple[int, int], length: int) -> DecoderAnswer:
    """The answer about so many bytes in the output."""
    return replace(answer, length=length, new_width=size[0], new_height=size[1])


def main() -> None:
    """DecoderAnswer requests until the pipe is closed."""
    source, target, memory = map(int, sys.argv[1:])
    data, output = mmap.mmap(source, INPUT_BYTES), mmap.mmap(target, OUTPUT_BYTES)
    os.close(source)
    os.close(target)
    decoder = Decoder(data, output, is_ordinary=memory < LARGE_MEMORY)
    _limit(memory)
    while text := receive(sys.stdin.buffer):
        send(sys.stdout.buffer, decoder.answer(DecoderRequest(**json.loads(text))))


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
