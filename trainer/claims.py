"""Claims: no two processes train the same thing, on one machine or on several that share a disk.

A claim is a lock of the file system: it ends with its process, however that ends, and on a network
file system with its machine, after the time that the server waits for a silent one.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import EnrichmentError, UsageError


class ClaimedError(UsageError):
    """Another process trains it."""


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Keep other processes from training what is, or will be, in a folder.

    Raises:
        ClaimedError: one does already.
        EnrichmentError: the file system refuses.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f".{folder.name}.lock").open("w")
    except OSError as error:
        raise EnrichmentError(f"{folder} cannot be claimed: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClaimedError(f"{folder} is being trained by another process.") from None
        except OSError as error:
            raise EnrichmentError(
                f"{folder} cannot be claimed: {error.strerror}. Machines that train together need "
                "a file system with locks, such as NFS 4."
            ) from None
        yield


def is_claimed(folder: Path) -> bool:
    """Whether a process has the claim now.

    Raises:
        EnrichmentError: the file system refuses.
    """
    try:
        with claim(folder):
            return False
    except ClaimedError:
        return True
