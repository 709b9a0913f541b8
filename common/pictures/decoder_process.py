"""One decoder from outside: a process, started when it is first needed and after each death."""

import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from common.errors import RecordError
from common.pictures.decode import MAX_JPEG_PIXELS
from common.pictures.decoder import NO_MEMORY, OPENING_SECONDS, SECONDS_A_MEGAPIXEL
from common.pictures.decoder_messages import (
    INPUT_BYTES,
    MESSAGE_BYTES,
    OUTPUT_BYTES,
    DecoderReply,
    DecoderRequest,
    fits,
    packed,
    reply_of,
)
from common.reasons import Reason

LOOK_SECONDS = 5.0  # between two looks whether a decoder stands still
STILL_SECONDS = 30.0  # without a tick of the processor, until it is ended
# Of the processor, for a picture: twice what a decoder allows itself, if it still heeds that.
MOST_SECONDS = 2 * (2 * OPENING_SECONDS + SECONDS_A_MEGAPIXEL * MAX_JPEG_PIXELS / 1e6)
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
KEPT_BYTES = 6 << 20  # of shared memory, after a picture that took more
_ENVIRONMENT = {
    "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    "LC_ALL": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",  # NumPy's, which is not used
    # One heap that keeps what it has: giving it back after each picture costs a tenth of the time.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}

Made = TypeVar("Made")
Make = Callable[[DecoderReply, memoryview], Made]
"""What to make of a reply and the bytes that belong to it, which are valid for that long."""


class _LostError(Exception):
    """Someone killed the decoder, or it stood still: the machine may be to blame."""

    def __init__(self, failure: RecordError) -> None:
        super().__init__(str(failure))
        self.failure = failure  # on a picture that it happens to twice


class DecoderProcess:
    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._running: _Running | None = None
        self._files = (os.memfd_create("input"), os.memfd_create("output"))
        for file, size in zip(self._files, (INPUT_BYTES, OUTPUT_BYTES), strict=True):
            os.ftruncate(file, size)
        self._input = mmap.mmap(self._files[0], INPUT_BYTES)
        self._output = mmap.mmap(self._files[1], OUTPUT_BYTES)

    def ask(
        self, request: DecoderRequest, content: bytes, make: Make[Made]
    ) -> tuple[DecoderReply, Made]:
        """The reply, and what `make` makes of the bytes that belong to it.

        Raises:
            RecordError: the picture ended the decoder.
        """
        self._input[: len(content)] = content
        try:
            reply = self._reply_or_retry(request)
        except _LostError as error:
            raise error.failure from error
        with memoryview(self._output) as output, output[: reply.length] as result:
            made = make(reply, result)
        for file, size, used in zip(
            self._files,
            (INPUT_BYTES, OUTPUT_BYTES),
            (len(content), reply.length),
            strict=True,
        ):
            if used > KEPT_BYTES:  # give the memory back
                os.ftruncate(file, 0)
                os.ftruncate(file, size)
        return reply, made

    def close(self) -> None:
        self._end()
        for shared in (self._input, self._output):
            shared.close()
        for file in self._files:
            os.close(file)

    def _started(self) -> "_Running":
        if self._running is None or not self._running.is_ready():
            self._end()
            self._running = _Running.start(self._files, self._memory)
        return self._running

    def _reply_or_retry(self, request: DecoderRequest) -> DecoderReply:
        with suppress(_LostError):  # perhaps before it began
            return self._reply(request)
        return self._reply(request)

    def _reply(self, request: DecoderRequest) -> DecoderReply:
        running = self._started()
        try:
            packet = self._packet(running, request)
        except BaseException:
            self._end()  # its reply, if one comes yet, is not one to the next request
            raise
        if not packet:
            return self._last_words(running.process)
        with suppress(msgspec.MsgspecError):
            reply = reply_of(packet)
            if fits(reply, request):
                return reply
        self._end()
        raise Reason.DECODER_CRASHED.error("the answer of the decoder is malformed")

    def _packet(self, running: "_Running", request: DecoderRequest) -> bytes:
        """The packet that answers a request; empty if the decoder has ended."""
        with suppress(ConnectionError):
            try:
                running.channel.send(packed(request))
            except TimeoutError as error:  # it has not read the requests before
                raise Reason.DECODER_CRASHED.error(
                    "the decoder does not read the picture"
                ) from error
            return self._received(running)
        return b""

    def _received(self, running: "_Running") -> bytes:
        worked_at, ticks, most = time.monotonic(), -1, inf
        while True:
            with suppress(TimeoutError):
                return running.channel.recv(MESSAGE_BYTES)
            now, before, ticks = time.monotonic(), ticks, _ticks(running.process.pid)
            most = min(most, ticks + MOST_SECONDS * _TICKS_A_SECOND)  # from the first look on
            if ticks > most:
                raise Reason.DECODING_TOO_LONG.error("decoding took too long")
            if ticks != before:
                worked_at = now
            elif now - worked_at > STILL_SECONDS:
                raise _LostError(Reason.DECODING_TOO_LONG.error("the decoder stopped responding"))

    def _last_words(self, process: subprocess.Popen[bytes]) -> DecoderReply:
        try:
            code = process.wait(timeout=LOOK_SECONDS)
        except subprocess.TimeoutExpired:  # it fell silent, and stays
            code = None
        self._end()
        if code == NO_MEMORY:
            return DecoderReply(is_too_large=True)
        if code == -signal.SIGPROF:
            raise Reason.DECODING_TOO_LONG.error("decoding took too long")
        crash = Reason.DECODER_CRASHED.error(f"the decoder ended with {code}")
        raise _LostError(crash) if code == -signal.SIGKILL else crash

    def _end(self) -> None:
        if self._running is not None:
            self._running.end()
            self._running = None


@dataclass(frozen=True)
class _Running:
    process: subprocess.Popen[bytes]
    channel: socket.socket

    @classmethod
    def start(cls, files: tuple[int, int], memory: int) -> Self:
        ours, its = socket.socketpair(type=socket.SOCK_SEQPACKET)
        ours.settimeout(LOOK_SECONDS)
        with its:
            program = ("-m", "common.pictures.decoder", *map(str, (its.fileno(), *files, memory)))
            process = subprocess.Popen(
                [sys.executable, "-P", *program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # libraries write there what they like
                pass_fds=(its.fileno(), *files),
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,  # Ctrl-C is for the one who asks
            )
        return cls(process, ours)

    def is_ready(self) -> bool:
        """Whether it lives, and says nothing: it would be taken for the reply to the next."""
        says = select.poll()
        says.register(self.channel, select.POLLIN)
        return self.process.poll() is None and not says.poll(0)

    def end(self) -> None:
        self.process.kill()
        self.channel.close()
        self.process.wait()


def _ticks(pid: int) -> int:
    """The time on the processor that a process has had, in ticks."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return int(fields[11]) + int(fields[12])
