"""Pictures as files below IMAGE_DIR, named by the SHA-256 of the bytes that are stored.

A JPEG or PNG that is small enough is kept byte for byte, whatever else is in it; anything larger
or of another format is written anew as JPEG, by way of `decode`. So the same picture from two
providers is one file, and a record knows by the hash that it shows what another shows.
"""

import io
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from PIL import Image

from common.errors import EnrichmentError
from common.images.decode import PixelBudget, decode

JPEG_QUALITY = 90
_KEPT = {"JPEG": ".jpg", "PNG": ".png"}


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
        max_side: pixels that the longer side of a stored picture has at most.
    """

    def __init__(self, folder: Path, *, max_side: int) -> None:
        self._folder = folder
        self._max_side = max_side
        self._budget = PixelBudget()

    def store(self, content: bytes) -> PictureFile:
        """Check that a picture can be decoded, and keep it.

        Raises:
            RecordError: stage `decode`, it is no picture that can be used.
            EnrichmentError: the folder cannot be written to.
        """
        decoded = decode(content, shorter_side=self._max_side, budget=self._budget)
        suffix = _KEPT.get(decoded.format)
        width, height = decoded.width, decoded.height
        if suffix is None or max(width, height) > self._max_side:
            image = _within(decoded.image, self._max_side)
            content, suffix, (width, height) = _as_jpeg(image), ".jpg", image.size
        digest = sha256(content).hexdigest()
        path = f"{digest[:2]}/{digest}{suffix}"
        self._write(self._folder / path, content)
        return PictureFile(sha256=digest, path=path, width=width, height=height)

    def _write(self, path: Path, content: bytes) -> None:
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.partial")
        try:
            if path.exists() and path.stat().st_size == len(content):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(content)
            unfinished.replace(path)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise EnrichmentError(f"{path} cannot be written: {error.strerror}.") from None


def _within(image: Image.Image, side: int) -> Image.Image:
    """The picture, made smaller so that its longer side has no more than `side` pixels."""
    factor = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS) if size != image.size else image


def _as_jpeg(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=JPEG_QUALITY)
    return target.getvalue()
