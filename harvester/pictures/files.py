"""Pictures as files below IMAGE_DIR, named by the SHA-256 of the bytes that are stored.

A JPEG or PNG that is small enough is kept byte for byte. A larger picture, or one of another
format, is decoded and written as JPEG. The same picture from two providers is one file, and equal
hashes show that two records have the same picture.

A file is flushed to disk before it gets its name, so that a power cut leaves no empty picture. That
takes 0.6 of the 20 ms of a picture. If a power cut loses a name, `missing` notices it.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from common.errors import EnrichmentError
from common.files import write_atomically
from common.pictures.decoders import Decoders

CHECKED_SIDE = 32  # pixels to decode of a picture that is only checked
STALE_SECONDS = 3600.0  # after that, no run is still writing an unfinished file
_SUFFIXES = {
    **{"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif", "WEBP": ".webp"},
    **{"GIF": ".gif", "JPEG2000": ".jp2", "BMP": ".bmp"},
}


@dataclass(frozen=True, kw_only=True)
class PictureFile:
    """A stored picture: `path` is relative to the folder; width and height are upright pixels."""

    sha256: str
    path: str
    width: int
    height: int


class PictureFolder:
    """The folder of all pictures; threads share one.

    Args:
        max_side: pixels, at most, of the longer side of a stored picture; None keeps every file
            as it came.
    """

    def __init__(self, folder: Path, decoders: Decoders, *, max_side: int | None) -> None:
        self._folder = folder
        self._decoders = decoders
        self._max_side = max_side

    def store(self, content: bytes) -> PictureFile:
        """Check that a picture can be decoded, and store it.

        Raises:
            RecordError: stage `decode`; the picture cannot be used.
            EnrichmentError: the folder cannot be written to.
        """
        if self._max_side is None:
            decoded = self._decoders.check(content, side=CHECKED_SIDE)
        else:
            decoded = self._decoders.file(content, longest_side=self._max_side)
        width, height, suffix = decoded.width, decoded.height, _SUFFIXES[decoded.format]
        if decoded.content:
            content, suffix = decoded.content, ".jpg"
            width, height = decoded.new_width, decoded.new_height
        digest = sha256(content).hexdigest()
        path = f"{digest[:2]}/{digest}{suffix}"
        self._write(self._folder / path, content)
        return PictureFile(sha256=digest, path=path, width=width, height=height)

    def missing(self, paths: Iterable[str]) -> Iterator[str]:
        """Those of the sorted paths that are not there; lists each folder once.

        Raises:
            EnrichmentError: the folder cannot be read.
        """
        for name, group in groupby(paths, key=lambda path: path.partition("/")[0]):
            try:
                present = {path.name for path in (self._folder / name).iterdir()}
            except FileNotFoundError:
                present = set()
            except OSError as error:
                raise EnrichmentError(
                    f"{self._folder / name} cannot be read: {error.strerror}."
                ) from error
            yield from (path for path in group if path.partition("/")[2] not in present)

    def _write(self, path: Path, content: bytes) -> None:
        with suppress(OSError):  # what hinders reading will hinder writing
            if path.stat().st_size == len(content):
                return
        write_atomically(path, content)


def remove_stale_files(folder: Path) -> None:
    """Remove unfinished files that killed runs left in the folders below this one."""
    for unfinished in folder.glob("*/.*.partial"):
        with suppress(OSError):  # another run may have been quicker
            if time.time() - unfinished.stat().st_mtime > STALE_SECONDS:
                unfinished.unlink()
