"""Decoding in processes that may die: strangers' bytes never meet a decoder in this process.

Each decoder is a program of its own (`decoder`). A picture that crashes it, keeps it busy for too
long, or needs too much memory costs itself alone, at once and for good: the decoder is started
again, and the neighbours go on. Ordinary pictures share decoders with little memory; large ones go
one at a time to a decoder that has more.
"""

import json
import mmap
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Self, TypeVar

from common.errors import RecordError
from common.pictures.decoder import (
    INPUT_BYTES,
    LARGE_MEMORY,
    NO_MEMORY,
    ORDINARY_MEMORY,
    OUTPUT_BYTES,
    DecoderAnswer,
    DecoderRequest,
    receive,
    send,
)
from common.pictures.resize import Square
from common.process.cores import available_cores
from common.reasons import Reason

FILE_BYTES = INPUT_BYTES  # of a picture's file, at most
LOOK_SECONDS = 5.0  # between two looks whether a decoder stands still
STILL_SECONDS = 30.0  # without a tick of the processor, until it is ended
KEPT_BYTES = 4 << 20  # of shared memory, after a picture that took more
_ENVIRONMENT = {
    "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    "LC_ALL": "C.UTF-8",
    # One heap that keeps what it has: giving it back after each picture costs a tenth of the time.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}

_Made = TypeVar("_Made")
_Make = Callable[[DecoderAnswer, memoryview], _Made]
Turn = Callable[[], AbstractContextManager[object]]
"""What is held while a decoder computes, and not while a picture waits for the large one."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a decoder made of a picture: `content` is pixels or a file, as it was asked for.

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
    """RGB, row by row, of a picture that was asked for a square; `is_square` if it is one already.

    `rows` are valid for as long as `make` runs (`Decoders.pixels`).
    """

    rows: memoryview
    width: int
    height: int
    is_square: bool


class _LostError(Exception):
    """Somebody killed the decoder, or it stood still: the machine may be to blame."""

    def __init__(self, verdict: RecordError) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict  # on a picture that it happens to twice


class _Decoder:
    """One decoder, started when it is first needed, and again after each death."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._files = (os.memfd_create("input"), os.memfd_create("output"))
        for file, size in zip(self._files, (INPUT_BYTES, OUTPUT_BYTES), strict=True):
            os.ftruncate(file, size)
        self._input = mmap.mmap(self._files[0], INPUT_BYTES)
        self._output = mmap.mmap(self._files[1], OUTPUT_BYTES)

    def ask(
        self, request: DecoderRequest, content: bytes, make: _Make[_Made]
    ) -> tuple[DecoderAnswer, _Made]:
        """The answer, and what `make` makes of the bytes that belong to it.

        Raises:
            RecordError: the picture ended the decoder.
        """
        self._input[: len(content)] = content
        try:
            answer = self._answer_or_retry(request)
        except _LostError as error:
            raise error.verdict from error
        with memoryview(self._output) as output, output[: answer.length] as result:
            made = make(answer, result)
        for file, size, used in zip(
            self._files,
            (INPUT_BYTES, OUTPUT_BYTES),
            (len(content), answer.length),
            strict=True,
        ):
            if used > KEPT_BYTES:  # give the memory back
                os.ftruncate(file, 0)
                os.ftruncate(file, size)
        return answer, made

    def close(self) -> None:
        """End the decoder, and give the memory back."""
        self._end()
        for shared in (self._input, self._output):
            shared.close()
        for file in self._files:
            os.close(file)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            program = ("-m", "common.pictures.decoder", *map(str, self._files), str(self._memory))
            self._process = subprocess.Popen(
                [sys.executable, "-P", *program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # libraries write there what they like
                pass_fds=self._files,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,  # Ctrl-C is for the one who asks
            )
        return self._process

    def _answer_or_retry(self, request: DecoderRequest) -> DecoderAnswer:
        with suppress(_LostError):  # perhaps before it began
            return self._answer(request)
        return self._answer(request)

    def _answer(self, request: DecoderRequest) -> DecoderAnswer:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        text = b""
        with suppress(OSError):  # it has ended
            send(process.stdin, request)
            self._wait(process.stdout, process)
            text = receive(process.stdout)
        return DecoderAnswer(**json.loads(text)) if text else self._last_words(process)

    def _wait(self, answers: IO[bytes], process: subprocess.Popen[bytes]) -> None:
        """Wait until there is something to read; end a decoder that stands still."""
        worked_at, ticks = time.monotonic(), -1
        while not select.select([answers], [], [], LOOK_SECONDS)[0]:
            now, before, ticks = time.monotonic(), ticks, _ticks(process.pid)
            if ticks != before:
                worked_at = now
            elif now - worked_at > STILL_SECONDS:
                self._end()
                raise _LostError(Reason.DECODING_TOO_LONG.error("the decoder stood still"))

    def _last_words(self, process: subprocess.Popen[bytes]) -> DecoderAnswer:
        """What the exit code of a decoder that ended says of the picture."""
        code = process.wait()
        self._end()
        if code == NO_MEMORY:
            return DecoderAnswer(is_too_large=True)
        if code == -signal.SIGPROF:
            raise Reason.DECODING_TOO_LONG.error("decoding took too long")
        crash = Reason.DECODER_CRASHED.error(f"the decoder ended with {code}")
        raise _LostError(crash) if code == -signal.SIGKILL else crash

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            for stream in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    stream.close()  # type: ignore[union-attr]  # both are pipes
            self._process.wait()
            self._process = None


class Decoders:
    """Decoders for ordinary pictures, and one for large ones; threads share them."""

    def __init__(self, places: int | None = None) -> None:
        self._ordinary: queue.LifoQueue[_Decoder] = queue.LifoQueue()
        self._all = [_Decoder(ORDINARY_MEMORY) for _ in range(places or available_cores())]
        for decoder in self._all:
            self._ordinary.put(decoder)
        self._large = _Decoder(LARGE_MEMORY)
        self._large_is_free = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End all decoders; no picture may be in work."""
        for decoder in (*self._all, self._large):
            decoder.close()

    def square(self, content: bytes, square: Square, *, turn: Turn = nullcontext) -> Result:
        """The picture as a square: RGB, row by row.

        Raises:
            RecordError: stage `decode`, it is no picture that can be used.
        """
        request = DecoderRequest(task="square", length=len(content), **asdict(square))
        return self._result(request, content, turn)

    def pixels(
        self,
        content: bytes,
        square: Square,
        make: Callable[[Pixels], _Made],
        *,
        turn: Turn = nullcontext,
    ) -> _Made:
        """What `make` makes of a picture's pixels, which are enough for the square.

        Raises:
            RecordError: stage `decode`, it is no picture that can be used.
        """

        def shown(answer: DecoderAnswer, rows: memoryview) -> _Made | None:
            if not answer.length:
                return None  # it failed
            pixels = Pixels(
                rows=rows,
                width=answer.new_width,
                height=answer.new_height,
                is_square=answer.is_square,
            )
            return make(pixels)

        request = DecoderRequest(task="pixels", length=len(content), **asdict(square))
        _, made = self._ask(request, content, shown, turn)
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

    def _result(self, request: DecoderRequest, content: bytes, turn: Turn = nullcontext) -> Result:
        answer, result = self._ask(request, content, lambda _, rows: bytes(rows), turn)
        return Result(
            content=result,
            width=answer.width,
            height=answer.height,
            format=answer.format,
            new_width=answer.new_width,
            new_height=answer.new_height,
        )

    def _ask(
        self, request: DecoderRequest, content: bytes, make: _Make[_Made], turn: Turn
    ) -> tuple[DecoderAnswer, _Made]:
        if len(content) > INPUT_BYTES:
            raise Reason.TOO_MUCH_MEMORY.error(f"a file of {len(content)} bytes")
        with turn(), self._a_place() as decoder:
            answer, made = decoder.ask(request, content, make)
        if answer.is_too_large:
            with self._large_is_free, turn():
                answer, made = self._large.ask(request, content, make)
        if answer.is_too_large or answer.reason == Reason.OUT_OF_MEMORY.name:
            raise Reason.TOO_MUCH_MEMORY.error("more than a large picture may take")
        if answer.reason:
            raise Reason[answer.reason].error(answer.detail)
        return answer, made

    @contextmanager
    def _a_place(self) -> Iterator[_Decoder]:
        decoder = self._ordinary.get()
        try:
            yield decoder
        finally:
            self._ordinary.put(decoder)


def _ticks(pid: int) -> int:
    """The time on the processor that a process has had, in ticks."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return int(fields[11]) + int(fields[12])
