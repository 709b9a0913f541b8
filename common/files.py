"""Files that are whole or absent: written under another name, flushed to disk, then renamed.

And files of other people, which may be no files at all.
"""

import errno
import io
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from common.errors import EnrichmentError, UsageError

STANDARD_OUTPUT = "-"
_HELD_OPEN = re.compile(r"/dev/stdin|/dev/fd/\d+|/proc/(?:self|\d+)/fd/\d+")


def open_regular(path: Path) -> io.BufferedReader:
    """A regular file, opened without waiting; of a link, the file that it leads to.

    Raises:
        OSError: it cannot be read, or is a device, a pipe or a folder; `strerror` says which.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    stream = None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        stream = os.fdopen(descriptor, "rb")
    finally:
        if stream is None:
            os.close(descriptor)
    return stream


def open_given(path: Path) -> io.BufferedReader:
    """As `open_regular`. What a shell holds open for the command, as `<(...)` does, may be a pipe.

    Raises:
        OSError: as `open_regular`.
    """
    return path.open("rb") if _HELD_OPEN.fullmatch(str(path)) else open_regular(path)


def read_regular(path: Path, *, at_most: int) -> bytes:
    """The bytes of a regular file.

    Raises:
        OSError: as `open_regular`, or the file has more bytes.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > at_most:
            problem = f"it has {size:,} bytes; at most {at_most:,} are allowed"
            raise OSError(errno.EFBIG, problem, str(path))
        return stream.read(size)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; when the block ends well, it becomes `path`.

    Raises:
        EnrichmentError: the disk is full or refuses; the former file, if any, is untouched.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise EnrichmentError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):  # the reason is in the error already
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: str | bytes | memoryview) -> None:
    """Write a whole file or none.

    Raises:
        EnrichmentError: the disk is full or refuses.
    """
    data = content.encode() if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def check_folder_of(target: str) -> None:
    """Refuse to write a file into a folder that does not exist: its name may be mistyped.

    Raises:
        UsageError: names the folder.
    """
    folder = Path(target).parent
    if target != STANDARD_OUTPUT and not folder.is_dir():
        raise UsageError(
            f"There is no folder {folder}, so {target} cannot be written. "
            "Make the folder first, or choose another folder."
        )


def standard_output() -> TextIO:
    """Standard output, for what is to be written there.

    Raises:
        UsageError: the program was started with it closed.
    """
    stream: TextIO | None = sys.stdout
    if stream is None:
        raise UsageError("Standard output is closed, so the output cannot be written. Give a file.")
    return stream


@contextmanager
def output_stream(target: str) -> Iterator[TextIO]:
    """A text stream into a file, whole or absent, or into standard output where `target` is `-`.

    Raises:
        EnrichmentError: the disk is full or refuses, or standard output is closed.
    """
    if target == STANDARD_OUTPUT:
        yield standard_output()
        return
    with (
        replacing(Path(target)) as unfinished,
        unfinished.open("w", encoding="utf-8", newline="") as stream,
    ):
        yield stream
