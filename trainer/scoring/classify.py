"""Picture files through a model, in bounded memory: decoded by threads, classified in batches."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from common.errors import RecordError
from common.pictures.decode import PixelBudget, decode
from common.vision.preprocessing import Preprocessing

READERS = 8  # threads
AHEAD = 2  # batches that are decoded while one is classified

Compute = Callable[[torch.Tensor], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A file that is no picture, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class Readable:
    """A picture as the classifier sees it: uint8 (3, size, size)."""

    path: Path
    picture: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Classified(Readable):
    """... and its probabilities (classes,)."""

    probabilities: NDArray[np.float32]


def classify(
    paths: Sequence[Path], preprocessing: Preprocessing, compute: Compute, *, batch_size: int
) -> Iterator[Classified | Unreadable]:
    """Classify files, in their order.

    Args:
        compute: from uint8 pictures (n, 3, size, size) to probabilities (n, classes).
    """
    for batch in _batches(paths, preprocessing, batch_size):
        readable = [each for each in batch if isinstance(each, Readable)]
        rows: Iterator[NDArray[np.float32]] = iter(())
        if readable:
            rows = iter(compute(torch.stack([each.picture for each in readable])))
        for each in batch:
            if isinstance(each, Unreadable):
                yield each
            else:
                yield Classified(path=each.path, picture=each.picture, probabilities=next(rows))


def read_pictures(paths: Sequence[Path], preprocessing: Preprocessing) -> torch.Tensor:
    """The pictures of those files that can be read, few enough for the memory."""
    size = preprocessing.size
    read = [each for batch in _batches(paths, preprocessing, READERS) for each in batch]
    pictures = [each.picture for each in read if isinstance(each, Readable)]
    empty = torch.zeros((0, 3, size, size), dtype=torch.uint8)
    return torch.stack(pictures) if pictures else empty


def _batches(
    paths: Sequence[Path], preprocessing: Preprocessing, batch_size: int
) -> Iterator[list[Readable | Unreadable]]:
    read = partial(_read, preprocessing=preprocessing, budget=PixelBudget())
    waiting: deque[list[Future[Readable | Unreadable]]] = deque()
    with ThreadPoolExecutor(READERS) as pool:
        for start in range(0, len(paths), batch_size):
            batch = paths[start : start + batch_size]
            waiting.append([pool.submit(read, path) for path in batch])
            if len(waiting) > AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]


def _read(path: Path, preprocessing: Preprocessing, budget: PixelBudget) -> Readable | Unreadable:
    try:
        decoded = decode(path.read_bytes(), shorter_side=preprocessing.size, budget=budget)
    except OSError as error:
        return Unreadable(path=path, reason=(error.strerror or str(error)).lower())
    except RecordError as error:
        return Unreadable(path=path, reason=str(error))
    return Readable(path=path, picture=preprocessing.to_uint8(decoded.image))
