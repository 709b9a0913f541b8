"""Decoding in processes that may die: untrusted bytes never meet a decoder in this process.

Each decoder is a program of its own (`decoder`). A picture that crashes it, keeps it busy for too
long, or needs too much memory costs itself alone, at once and for good: the decoder is started
again, and the neighbours go on. Ordinary pictures share decoders with little memory; large ones go
one at a time to a decoder that has more.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Self

from common.pictures.decoder import LARGE_MEMORY, ORDINARY_MEMORY
from common.pictures.decoder_messages import INPUT_BYTES, DecoderReply, DecoderRequest
from common.pictures.decoder_process import DecoderProcess, Made, Make
from common.pictures.resize import Square
from common.process.cores import available_cores
from common.reasons import Reason

FILE_BYTES = INPUT_BYTES  # of a picture's file, at most
Hold = Callable[[], AbstractContextManager[object]]
"""What is held while a decoder computes, and not while a picture waits for the large one."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a decoder made of a picture: `content` is a file, if one was asked for.

    `width`, `height` and `format` are those of the original, upright; the size of the content is
    `new_width` x `new_height`, and zero where there is none.
    """

    content: bytes
    width: int
    height: int
    format: str
    new_width: int
    new_height: int


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """A picture that was asked for a square, in `pixel_rows`; `is_square` if it is one already.

    `rows` are valid for as long as `make` runs (`Decoders.pixels`).
    """

    rows: memoryview
    width: int
    height: int
    is_square: bool


class Decoders:
    def __init__(self, places: int | None = None) -> None:
        self._ordinary: queue.LifoQueue[DecoderProcess] = queue.LifoQueue()
        self._all = [DecoderProcess(ORDINARY_MEMORY) for _ in range(places or available_cores())]
        for decoder in self._all:
            self._ordinary.put(decoder)
        self._large = DecoderProcess(LARGE_MEMORY)
        self._large_is_free = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End all decoders; no picture may be in work."""
        for decoder in (*self._all, self._large):
            decoder.close()

    def pixels(
        self,
        content: bytes,
        square: Square,
        make: Callable[[Pixels], Made],
        *,
        hold: Hold = nullcontext,
    ) -> Made:
        """What `make` makes of a picture's pixels, which are enough for the square.

        Raises:
            RecordError: stage `decode`, it is no picture that can be used.
        """

        def shown(reply: DecoderReply, rows: memoryview) -> Made | None:
            if not reply.length:
                return None  # it failed
            pixels = Pixels(
                rows=rows,
                width=reply.new_width,
                height=reply.new_height,
                is_square=reply.is_square,
            )
            return make(pixels)

        request = DecoderRequest(task="pixels", length=len(content), square=square)
        _, made = self._ask(request, content, shown, hold)
        assert made is not None
        return made

    def file(self, content: bytes, *, longest_side: int) -> Result:
        """The picture as a JPEG; no content where the file can be stored as it came.

        Raises:
            RecordError: stage `decode`, it is no picture that can be used.
        """
        return self._result(
            DecoderRequest(task="file", length=len(content), side=longest_side), content
        )

    def check(self, content: bytes, *, side: int) -> Result:
        """Size and format of a picture that can be decoded.

        Raises:
            RecordError: stage `decode`, it is no picture that can be used.
        """
        return self._result(DecoderRequest(task="check", length=len(content), side=side), content)

    def _result(self, request: DecoderRequest, content: bytes) -> Result:
        reply, result = self._ask(request, content, lambda _, rows: bytes(rows), nullcontext)
        return Result(
            content=result,
            width=reply.width,
            height=reply.height,
            format=reply.format,
            new_width=reply.new_width,
            new_height=reply.new_height,
        )

    def _ask(
        self, request: DecoderRequest, content: bytes, make: Make[Made], hold: Hold
    ) -> tuple[DecoderReply, Made]:
        if len(content) > INPUT_BYTES:
            raise Reason.TOO_MUCH_MEMORY.error(f"a file of {len(content)} bytes")
        with hold(), self._a_place() as decoder:
            reply, made = decoder.ask(request, content, make)
        if reply.is_too_large:
            with self._large_is_free, hold():
                reply, made = self._large.ask(request, content, make)
        if reply.is_too_large or reply.reason == Reason.OUT_OF_MEMORY.name:
            raise Reason.TOO_MUCH_MEMORY.error(
                "it needs more memory than the limit for a large picture"
            )
        if reply.reason:
            raise Reason[reply.reason].error(reply.detail)
        return reply, made

    @contextmanager
    def _a_place(self) -> Iterator[DecoderProcess]:
        decoder = self._ordinary.get()
        try:
            yield decoder
        finally:
            self._ordinary.put(decoder)
