"""Claims: one process at a time trains an experiment or fold, also among machines that share a
disk.

A claim is a lock of the file system, so it ends with its process, even if that is killed. On a
network file system it ends with its machine, after the server's timeout.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from common.errors import EnrichmentError, UsageError


class ClaimedError(UsageError):
    """Another process trains the experiment or the fold."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep other processes from training the experiment or fold in a folder.

    Raises:
        ClaimedError: another process trains it.
        EnrichmentError: the file system refuses the lock.
    """
    lock = FileLock(  # a file alone would outlive its process
        folder.with_name(f".{folder.name}.lock"),
        timeout=0,
        fallback_to_soft=False,
        preserve_lock_file=True,
    )
    try:
        lock.acquire()
    except Timeout as error:
        raise ClaimedError(f"{folder} is being trained by another process.") from error
    except OSError as error:
        raise EnrichmentError(
            f"{folder} cannot be claimed: {error.strerror}. Machines that train together need "
            "a file system with locks, such as NFS 4."
        ) from error
    try:
        yield
    finally:
        lock.release()
