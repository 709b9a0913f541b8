"""The cache: every picture decoded once, at the size of the training, as one file of uint8.

An epoch then reads a memory map, some hundred times faster than decoding. The name of a cache is
the fingerprint of what is in it, so a stale one is never read, and experiments on the same data
share one.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from common.errors import DatasetError, RecordError
from common.files import replacing, write_atomically
from common.images.decode import PixelBudget, decode
from common.progress import progress
from common.vision.preprocessing import Preprocessing
from trainer.dataset import READERS, Example, TrainingData

VERSION = 1  # rises when the same picture would be decoded to other pixels
KEPT = 4  # caches, the newest; older ones are deleted
ABANDONED = 24 * 3600  # seconds after which a half-written cache is nobody's
WINDOW = 1024  # pictures decoded ahead of the writing, which bounds the memory


@dataclass(frozen=True, kw_only=True)
class CachedData:
    """The readable part of the data, and its pictures: uint8 (n, 3, size, size), memory-mapped."""

    data: TrainingData
    pictures: torch.Tensor


def cached(data: TrainingData, preprocessing: Preprocessing, folder: Path) -> CachedData:
    """The data with its pictures, from the cache in `folder`, which is made where need be.

    Raises:
        DatasetError: no picture can be read.
    """
    name = _fingerprint(data.examples, preprocessing)
    pixels, notes = folder / f"{name}.uint8", folder / f"{name}.json"
    if not (pixels.exists() and notes.exists()):
        _build(data.examples, preprocessing, pixels=pixels, notes=notes)
        _delete_old(folder)
    unreadable: dict[str, str] = json.loads(notes.read_text())
    if len(unreadable) == len(data.examples):
        key, reason = next(iter(unreadable.items()))
        raise DatasetError(f"No picture of {data.source} can be read; {key} for one: {reason}.")
    readable = data
    for reason in sorted(set(unreadable.values())):
        keys = [key for key in unreadable if unreadable[key] == reason]
        readable = readable.without(f"picture unreadable ({reason})", keys)
    shape = (len(readable.examples), 3, preprocessing.size, preprocessing.size)
    flat = torch.from_file(str(pixels), size=pixels.stat().st_size, dtype=torch.uint8)
    return CachedData(data=readable, pictures=flat.view(shape))


def _fingerprint(examples: Sequence[Example], preprocessing: Preprocessing) -> str:
    how = [VERSION, preprocessing.size, preprocessing.resize]
    digest = hashlib.sha256(json.dumps(how).encode())
    for example in examples:
        digest.update(f"{example.key}\0{example.sha256}\n".encode())
    return digest.hexdigest()[:16]


def _build(
    examples: Sequence[Example], preprocessing: Preprocessing, *, pixels: Path, notes: Path
) -> None:
    unreadable: dict[str, str] = {}
    with replacing(pixels) as temporary, temporary.open("wb") as file:
        for example, picture in _decoded(examples, preprocessing):
            if isinstance(picture, str):
                unreadable[example.key] = picture
            else:
                file.write(picture.numpy().tobytes())
    write_atomically(notes, json.dumps(unreadable))


def _decoded(
    examples: Sequence[Example], preprocessing: Preprocessing
) -> Iterator[tuple[Example, torch.Tensor | str]]:
    prepare = partial(_prepare, preprocessing=preprocessing, budget=PixelBudget())
    with (
        progress("Decoding pictures", len(examples)) as report,
        ThreadPoolExecutor(READERS) as pool,
    ):
        for start in range(0, len(examples), WINDOW):
            window = examples[start : start + WINDOW]
            for example, picture in zip(window, pool.map(prepare, window), strict=True):
                report.advance()
                yield example, picture


def _prepare(
    example: Example, preprocessing: Preprocessing, budget: PixelBudget
) -> torch.Tensor | str:
    """The pixels of an example, or the reason why there are none."""
    try:
        content = example.path.read_bytes()
        decoded = decode(content, shorter_side=preprocessing.size, budget=budget)
    except OSError as error:
        return f"{error.strerror}".lower()
    except RecordError as error:
        return error.reason
    return preprocessing.to_uint8(decoded.image)


def _delete_old(folder: Path) -> None:
    caches = sorted(folder.glob("*.uint8"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in caches[KEPT:]:
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
    for path in folder.glob(".*.partial"):
        if time.time() - path.stat().st_mtime > ABANDONED:
            path.unlink(missing_ok=True)
