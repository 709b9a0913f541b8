"""Downloads of any length: the desk writes the file while the browser receives it."""

import io
import os
import threading
from collections.abc import Callable, Generator, Sequence
from contextvars import copy_context
from typing import BinaryIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from common.errors import UsageError

AT_A_TIME = 4  # downloads: each holds a database connection until a slow browser has all of it
BLOCK = 1 << 16  # bytes

_places = threading.BoundedSemaphore(AT_A_TIME)


def download(write: Callable[[BinaryIO], object], *, name: str, media_type: str) -> Response:
    """A file of this name with all that `write` writes to its stream.

    If the browser disconnects, the writing ends. If the writing fails, the connection is cut, so
    that no browser takes a part for the whole file.

    Raises:
        UsageError: too many downloads are running.
    """
    if not _places.acquire(blocking=False):
        raise UsageError(
            f"{AT_A_TIME} downloads are running. This desk allows no more at the same time. "
            "Try again when a download has finished."
        )
    reading, writing = os.pipe()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with os.fdopen(writing, "wb") as stream:
                write(stream)
        except BaseException as error:  # noqa: BLE001 - raised again where the answer is sent
            failed.append(error)
        finally:
            _places.release()

    # Start here: if the answer is never sent, the pipe is closed, and that ends the writing.
    context = copy_context()  # it holds the reader's languages
    thread = threading.Thread(target=context.run, args=(run,), name="download", daemon=True)
    blocks = _blocks(os.fdopen(reading, "rb", buffering=0), thread, failed)
    next(blocks)  # a generator that has not started does not run its cleanup
    thread.start()
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    return _ClosedAtTheEnd(blocks, media_type=media_type, headers=headers)


class _ClosedAtTheEnd(StreamingResponse):
    """Closes its blocks when the answer ends, also because the browser disconnected."""

    def __init__(self, blocks: Generator[bytes], *, media_type: str, headers: dict[str, str]):
        super().__init__(blocks, media_type=media_type, headers=headers)
        self._close = blocks.close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()


def _blocks(
    stream: io.RawIOBase, thread: threading.Thread, failed: Sequence[BaseException]
) -> Generator[bytes]:
    with stream:
        yield b""
        while block := stream.read(BLOCK):
            yield block
    thread.join()
    if failed:
        raise failed[0]
