"""Heatmaps as files below HEATMAP_DIR, named by the SHA-256 of their bytes.

A file never changes, so a worker that lost its chunk does no harm: it leaves a file that the store
does not know. Such files, and those of removed enrichments, stay until `remove_unknown`. No part of
a name comes from outside.
"""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from os import stat_result
from pathlib import Path

from sqlalchemy import Engine, text

from common.errors import EnrichmentError
from common.files import write_atomically
from common.process.terminal.progress import progress

KEPT_SECONDS = 86_400.0  # a younger file may belong to a chunk that is not finished yet
_SUFFIX = ".heatmap.jpg"  # so that other files in the folder are left alone
_FOLDERS = [f"{number:02x}" for number in range(256)]


def relative_path(digest: str) -> str:
    return f"{digest[:2]}/{digest}{_SUFFIX}"


def keep(folder: Path, content: bytes) -> str:
    """Write a heatmap, and return its SHA-256.

    An existing file is written again, so that its age starts again.

    Raises:
        EnrichmentError: the disk is full or refuses.
    """
    digest = sha256(content).hexdigest()
    write_atomically(folder / relative_path(digest), content)
    return digest


@dataclass(frozen=True, kw_only=True)
class Removed:
    """The number of removed files, and their bytes in all."""

    files: int
    bytes: int


_KNOWN = text("SELECT DISTINCT sha256 FROM heatmap WHERE sha256 = ANY(:digests)")


def remove_unknown(engine: Engine, folder: Path) -> Removed:
    """Remove unfinished files and heatmaps of no enrichment, if they are older than a day.

    Raises:
        EnrichmentError: a file cannot be removed.
    """
    sizes: list[int] = []
    with progress("folders", len(_FOLDERS)) as report:
        for name in _FOLDERS:
            old = _old_files(folder / name)
            known = _known(engine, [_digest(path) for path in old])
            unknown = {path: stat for path, stat in old.items() if _digest(path) not in known}
            _remove(unknown)
            sizes += [stat.st_size for stat in unknown.values()]
            report.advance()
    return Removed(files=len(sizes), bytes=sum(sizes))


def _old_files(folder: Path) -> dict[Path, stat_result]:
    """Heatmaps, finished or not, that are too old for a chunk in work."""
    oldest = time.time() - KEPT_SECONDS
    found: dict[Path, stat_result] = {}
    for path in folder.glob(f"*{_SUFFIX}*"):
        with suppress(FileNotFoundError):  # finished by a worker just now
            if (stat := path.stat()).st_mtime < oldest:
                found[path] = stat
    return found


def _digest(path: Path) -> str:
    """The digest in a name; an unfinished file gives a text that the store does not have."""
    return path.name.removesuffix(_SUFFIX)


def _known(engine: Engine, digests: list[str]) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(_KNOWN, {"digests": digests}).scalars())


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise EnrichmentError(f"{path} cannot be removed: {error.strerror}.") from error
