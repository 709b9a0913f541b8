"""Pictures as files below IMAGE_DIR, named by the SHA-256 of the bytes that are stored.

A JPEG or PNG that is small enough is kept byte for byte, whatever else is in it; anything larger
or of another format is written anew as JPEG, by way of `decode`. So the same picture from two
providers is one file, and a record knows by the hash that it shows what another shows.

A file is flushed to disk before it gets its name, so that no power cut leaves a stored picture
empty; it costs 0.6 ms of a picture's 20. A name that is lost in one is noticed by `missing`.
"""

import io
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from PIL import Image

from common.errors import EnrichmentError
from common.pictures.decode import Decoded, PixelBudget, decode

JPEG_QUALITY = 90
CHECKED_SIDE = 32  # pixels decoded of a picture that is only checked
STALE_SECONDS = 3600.0  # after which a half-written file is nobody's any more
_KEPT = {"JPEG": ".jpg", "PNG": ".png"}
_ORIGINALS = {
    **_KEPT,
    **{"TIFF": ".tif", "WEBP": ".webp", "GIF": ".gif", "JPEG2000": ".jp2", "BMP": ".bmp"},
}


@dataclass(frozen=True, kw_only=True)
class PictureFile:
    """A stored picture: `path` is relative to the folder, the size is that of the file, upright."""

    sha256: str
    path: str
    width: int
    height: int


class PictureFolder:
    """The folder of all pictures; threads share one.

    Args:
        max_side: pixels that the longer side of a stored picture has at most; None keeps every
            file as it came.
    """

    def __init__(self, folder: Path, *, max_side: int | None) -> None:
        self._folder = folder
        self._max_side = max_side
        self._budget = PixelBudget()

    def store(self, content: bytes) -> PictureFile:
        """Check that a picture can be decoded, and keep it.

        Raises:
            RecordError: stage `decode`, it is no picture that can be used.
            EnrichmentError: the folder cannot be written to.
        """
        side = self._max_side or CHECKED_SIDE
        decoded = decode(content, shorter_side=side, budget=self._budget)
        suffix = self._suffix_as_it_came(decoded)
        width, height = decoded.width, decoded.height
        if suffix is None:
            image = _within(decoded.image, side)
            content, suffix, (width, height) = _as_jpeg(image), ".jpg", image.size
        digest = sha256(content).hexdigest()
        path = f"{digest[:2]}/{digest}{suffix}"
        self._write(self._folder / path, content)
        return PictureFile(sha256=digest, path=path, width=width, height=height)

    def missing(self, paths: Iterable[str]) -> Iterator[str]:
        """Those of the paths, which come sorted, that are not there: one listing a folder.

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

    def _suffix_as_it_came(self, decoded: Decoded) -> str | None:
        """The suffix of the file if it is kept byte for byte."""
        if self._max_side is None:
            return _ORIGINALS[decoded.format]
        fits = max(decoded.width, decoded.height) <= self._max_side
        return _KEPT.get(decoded.format) if fits else None

    def _write(self, path: Path, content: bytes) -> None:
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.partial")
        try:
            if path.exists() and path.stat().st_size == len(content):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise EnrichmentError(f"{path} cannot be written: {error.strerror}.") from error


def remove_stale_files(folder: Path) -> None:
    """Remove what killed runs left half-written in the folders below this one."""
    for unfinished in folder.glob("*/.*.partial"):
        with suppress(OSError):  # another run may have been quicker
            if time.time() - unfinished.stat().st_mtime > STALE_SECONDS:
                unfinished.unlink()


def _within(image: Image.Image, side: int) -> Image.Image:
    """The picture, made smaller so that its longer side has no more than `side` pixels."""
    factor = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS) if size != image.size else image


def _as_jpeg(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=JPEG_QUALITY)
    return target.getvalue()
