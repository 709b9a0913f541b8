"""Files that a page makes while the browser takes them, of any length."""

import os
import threading
from collections.abc import Callable, Iterator
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
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    return StreamingResponse(_written(write), media_type=media_type, headers=headers)


def _written(write: Callable[[BinaryIO], object]) -> Iterator[bytes]:
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

    thread = threading.Thread(target=run, name="download", daemon=True)
    thread.start()
    with os.fdopen(reading, "rb", buffering=0) as stream:
        while block := stream.read(BLOCK):
            yield block
    thread.join()
    if failed:
        raise failed[0]
