"""Standard output that cannot be written: its reader went away, or its disk is full."""

import errno
import os
import sys
from contextlib import suppress

_FULL = (errno.ENOSPC, errno.EDQUOT)


def flush_output() -> None:
    """Write what is still held back.

    Raises:
        OSError: it cannot be written.
    """
    print(end="", flush=True)  # noqa: T201 - unlike `flush`, it knows an output that is closed


def give_up_output(error: OSError) -> str:
    """Why standard output cannot be written, in words; what is left of it is dropped.

    Empty if its reader went away, as `head` does: that needs no words.

    Raises:
        OSError: the error is that of another file, or another one.
    """
    if isinstance(error, BrokenPipeError):
        words = ""
    elif error.filename is None and error.errno in _FULL:
        words = "The output cannot be written, since its disk is full. Make room there."
    else:
        raise error
    with suppress(OSError):  # else the interpreter tries once more at its end, and complains
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return words
