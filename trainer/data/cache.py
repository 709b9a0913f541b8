"""The cache: every picture is decoded once, at the training size, into one file of uint8.

An epoch then reads a memory map, about a hundred times faster than decoding. The name of a cache is
the fingerprint of its content. So a stale cache is never read, and experiments on the same data
share one. All caches of a folder together take at most `MAX_BYTES`: to make room, the least
recently used ones are deleted.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

import torch
from pydantic import TypeAdapter

from common.errors import DatasetError, EnrichmentError, RecordError
from common.files import read_regular, replacing, write_atomically
from common.pictures.decoders import FILE_BYTES, Decoders
from common.process.terminal.progress import progress
from common.vision.preprocessing import Preprocessing
from trainer.data.dataset import READERS, Example, TrainingData
from trainer.settings import MAX_JSON

VERSION = 1  # rises when the same picture is decoded to other pixels
MAX_BYTES = 50 * 10**9  # of all caches in a folder: a million pictures at 128 px
ABANDONED = 24 * 3600  # seconds after which a half-written cache is deleted
WINDOW = 1024  # pictures decoded ahead of the writing; bounds the memory

UnreadablePictures = dict[str, str]  # key of an example to the reason
_NOTES = TypeAdapter(UnreadablePictures)


@dataclass(frozen=True, kw_only=True)
class CachedData:
    """The readable part of the data, and its pictures: uint8 (n, 3, size, size), memory-mapped."""

    data: TrainingData
    pictures: torch.Tensor


def cached(
    data: TrainingData, preprocessing: Preprocessing, folder: Path, *, max_bytes: int = MAX_BYTES
) -> CachedData:
    """The data with its pictures, from a cache in `folder`. If there is none, it is made.

    Raises:
        DatasetError: no picture can be read, or they take more than `max_bytes`.
        EnrichmentError: the disk has too little space.
    """
    name = fingerprint(data.examples, preprocessing)
    pixels, notes = folder / f"{name}.uint8", folder / f"{name}.json"
    pictures = (len(data.examples), 3, preprocessing.size, preprocessing.size)
    unreadable = _whole(pixels, notes, pictures)
    if unreadable is None:
        _make_room(folder, math.prod(pictures), max_bytes=max_bytes, source=data.source)
        unreadable = _build(data.examples, preprocessing, pixels=pixels, notes=notes)
    if len(unreadable) == len(data.examples):
        key, reason = next(iter(unreadable.items()))
        raise DatasetError(f"No picture of {data.source} can be read. Example: {key}: {reason}.")
    pixels.touch()
    flat = torch.from_file(str(pixels), size=pixels.stat().st_size, dtype=torch.uint8)
    return CachedData(
        data=without_unreadable(data, unreadable), pictures=flat.view(-1, *pictures[1:])
    )


def without_unreadable(data: TrainingData, unreadable: UnreadablePictures) -> TrainingData:
    readable = data
    for reason in sorted(set(unreadable.values())):
        keys = [key for key in unreadable if unreadable[key] == reason]
        readable = readable.without(f"picture unreadable ({reason})", keys)
    return readable


def _whole(pixels: Path, notes: Path, pictures: Sequence[int]) -> UnreadablePictures | None:
    """The unreadable pictures of a cache for pictures (n, 3, size, size).

    None if the cache is missing or damaged.
    """
    try:
        unreadable = _NOTES.validate_json(read_regular(notes, at_most=MAX_JSON))
        count, *shape = pictures
        is_whole = pixels.stat().st_size == (count - len(unreadable)) * math.prod(shape)
    except (OSError, ValueError):
        return None
    return unreadable if is_whole else None


def fingerprint(examples: Sequence[Example], preprocessing: Preprocessing) -> str:
    how = [VERSION, *astuple(preprocessing.square)]
    digest = hashlib.sha256(json.dumps(how).encode())
    for example in examples:
        digest.update(f"{example.key}\0{example.sha256}\n".encode())
    return digest.hexdigest()[:16]


def _build(
    examples: Sequence[Example], preprocessing: Preprocessing, *, pixels: Path, notes: Path
) -> UnreadablePictures:
    unreadable: UnreadablePictures = {}
    with replacing(pixels) as temporary, temporary.open("wb") as file:
        for example, picture in _decoded(examples, preprocessing):
            if isinstance(picture, str):
                unreadable[example.key] = picture
            else:
                file.write(picture.numpy().tobytes())
    write_atomically(notes, json.dumps(unreadable))
    return unreadable


def _decoded(
    examples: Sequence[Example], preprocessing: Preprocessing
) -> Iterator[tuple[Example, torch.Tensor | str]]:
    with (
        progress("Decoding pictures", len(examples)) as report,
        Decoders() as decoders,
        ThreadPoolExecutor(READERS) as pool,
    ):
        prepare = partial(pixels_of, preprocessing=preprocessing, decoders=decoders)
        for start in range(0, len(examples), WINDOW):
            window = examples[start : start + WINDOW]
            for example, picture in zip(window, pool.map(prepare, window), strict=True):
                report.advance()
                yield example, picture


def pixels_of(
    example: Example, preprocessing: Preprocessing, decoders: Decoders, *, unchanged: bool = False
) -> torch.Tensor | str:
    """The pixels of an example, uint8 (3, size, size), or the reason why it cannot be read.

    Args:
        unchanged: whether the file must be the same as when it was listed.
    """
    try:
        content = read_regular(example.path, at_most=FILE_BYTES)
        if unchanged and hashlib.sha256(content).hexdigest() != example.sha256:
            return "the file was changed"
        return decoders.pixels(content, preprocessing.square, preprocessing.from_pixels)
    except OSError as error:
        return f"{error.strerror}".lower()
    except RecordError as error:
        return error.reason


def _make_room(folder: Path, needed: int, *, max_bytes: int, source: str) -> None:
    """Delete caches until `needed` bytes fit, the least recently used first."""
    if needed > max_bytes:
        raise DatasetError(
            f"The decoded pictures of {source} need {_gigabytes(needed)}, but a cache has at "
            f"most {_gigabytes(max_bytes)}. Choose a smaller --input-size, or fewer pictures."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(".*.partial"):
        if time.time() - path.stat().st_mtime > ABANDONED:
            path.unlink(missing_ok=True)
    caches = sorted(folder.glob("*.uint8"), key=lambda path: path.stat().st_mtime)
    kept = sum(path.stat().st_size for path in caches)
    if needed > shutil.disk_usage(folder).free + kept:
        raise EnrichmentError(
            f"The decoded pictures of {source} need {_gigabytes(needed)}. The disk of "
            f"{folder} has less free space. Free some space, or choose a --saving-dir on "
            "another disk."
        )
    for path in caches:
        if kept + needed > max_bytes or needed > shutil.disk_usage(folder).free:
            kept -= path.stat().st_size
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)


def _gigabytes(count: int) -> str:
    return f"{count / 10**9:,.2f} GB"
