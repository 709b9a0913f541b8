"""Files that a page makes while the browser takes them, of any length."""

import io
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from typing import BinaryIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from common.errors import UsageError

AT_A_TIME = 4  # downloads: each holds a connection to the database as long as its reader is slow
BLOCK = 1 << 16  # bytes

_places = threading.BoundedSemaphore(AT_A_TIME)


def download(write: Callable[[BinaryIO], object], *, name: str, media_type: str) -> Response:
    """What `write` writes to its stream, as a file of that name.

    Whoever goes away ends the writing. If the writing fails, the connection is cut, so that no
    browser takes the part for the whole.

    Raises:
        UsageError: too many downloads are under way.
    """
    if not _places.acquire(blocking=False):
        raise UsageError(
            f"{AT_A_TIME} downloads are under way, and no more are possible at a time. "
            "Try again when one of them is done."
        )
    reading, writing = os.pipe()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with os.fdopen(writing, "wb") as stream:
                write(stream)
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is sent
            failed.append(error)
        finally:
            _places.release()

    # Begun here: of an answer that is never sent, the pipe is closed, and that ends the writing.
    context = copy_context()  # it has the reader's languages
    thread = threading.Thread(target=context.run, args=(run,), name="download", daemon=True)
    blocks = _blocks(os.fdopen(reading, "rb", buffering=0), thread, failed)
    next(blocks)  # a generator that has not begun closes nothing when it goes
    thread.start()
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    return StreamingResponse(blocks, media_type=media_type, headers=headers)


def _blocks(
    stream: io.RawIOBase, thread: threading.Thread, failed: Sequence[BaseException]
) -> Iterator[bytes]:
    with stream:
        yield b""
        while block := stream.read(BLOCK):
            yield block
    thread.join()
    if failed:
        raise failed[0]
