"""Near-duplicates: pictures that are the same or nearly the same. They stay in one part of a fold.

The hash of a picture has a bit for each of the 16 x 16 lowest spatial frequencies of its 32 x 32
luminance: whether it is above their median. This is the pHash of Zauner (2010) with 256 bits
instead of 64. Measured on 12,000 photographs of buildings and museum objects: 98 of 100 differ by
at most 30 bits from their own copy after JPEG compression at quality 30, halving, or brightening by
30 %, and by at most 42 after cutting 1.6 % from each side. Of 53 million pairs of different files,
99 differ by 40 bits or less. These are copies, photographs of the same scene, and figurines of a
series. (With 64 bits, pictures on a black background are as near to each other as copies.)

If there are embeddings, they find other copies: those with a cosine of at least 0.96. This was
measured on 1,928 photographs of museum objects and 1,200 of buildings, with features of a
MobileNetV2 and of an EfficientNet-Lite0. Of 4.9 million pairs of different files, 30 and 4 are that
near, almost all of them figurines of a series. Embeddings alone are not enough: half of the
museum's copies at JPEG quality 30 have a cosine below 0.92, and half of Lite0's copies of half the
size one below 0.86. Thousands of pairs of different files are as near. The hash finds all of these
copies, and 96 of 100 that were cut by 1.6 %; together with embeddings it is 99. The hash finds no
mirrored pictures; embeddings find 98 and 88 of 100 at 0.95, and 68 and 50 at 0.97. Encoders of
another family may need another threshold.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch.nn import functional

from common.vision.answers.heads import Embeddings
from trainer.data.split import Indices

MAX_DISTANCE = 40  # of 256 bits
MIN_COSINE = 0.96
MOST_NEAR = 0.5  # of the pictures; if more are near, embeddings do not help

Hashes = NDArray[np.uint64]  # (n, 4)
Pairs = NDArray[np.int64]
"""Pairs (m, 2) of positions, the lower first."""

HASHED_SIZE = 32  # pixels, a side of the hashed luminance
_FREQUENCIES = 16  # per side
_LUMINANCE = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)  # ITU-R BT.601
_PICTURES = 256  # hashed at a time
_PAIRS = 1 << 18  # hashes compared at a time: 2 MiB
_ROWS, _COLUMNS = 1024, 8192  # cosines computed at a time: 32 MiB
_NEAR_EACH = 32  # per picture at a time: not all pairs are needed to find a group
_NO_PAIRS = np.empty((0, 2), dtype=np.int64)


def group_near_duplicates(pictures: torch.Tensor) -> Indices:
    """The group (n,) of each picture of uint8 (n, 3, size, size), counted from 0.

    70,000 pictures at 128 px take about a minute of one core. The time grows with the square of
    their number, the memory does not.
    """
    return grouped(pairs_by_hash(pictures), len(pictures))


def grouped(pairs: Pairs, count: int) -> Indices:
    """The group (n,) of each of `count` pictures; pictures that chains of pairs connect share a
    group.
    """
    ones = np.ones(len(pairs), dtype=np.bool_)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, groups = connected_components(graph, directed=False)
    return np.asarray(groups, dtype=np.int64)


def pairs_by_hash(pictures: torch.Tensor) -> Pairs:
    """Pairs of pictures uint8 (n, 3, size, size) whose hashes are near."""
    return np.concatenate([_NO_PAIRS, *_near_hashes(hash_pictures(pictures))])


def pairs_by_embedding(embeddings: Embeddings) -> Pairs | None:
    """Pairs of embeddings (n, dimension) that are near: enough of them to find the groups.

    None if more than half of the pictures are near another one. Such an encoder cannot separate
    different pictures; an example is a network that learned from a few hundred pictures. The time
    grows with the square of their number, the memory does not.
    """
    vectors = torch.from_numpy(embeddings.astype(np.float32))
    pairs = np.concatenate([_NO_PAIRS, *_near_vectors(vectors)])
    return None if len(np.unique(pairs)) > MOST_NEAR * len(vectors) else pairs


def _near_vectors(vectors: torch.Tensor) -> Iterator[Pairs]:
    for start in range(0, len(vectors), _ROWS):
        rows = vectors[start : start + _ROWS]
        for other in range(start, len(vectors), _COLUMNS):
            near = rows @ vectors[other : other + _COLUMNS].T >= MIN_COSINE
            near = torch.triu(near, diagonal=start + 1 - other)  # the lower position first
            if near.any():
                few = near & (near.cumsum(dim=1) <= _NEAR_EACH)
                yield torch.nonzero(few).numpy() + np.array([start, other])


def hash_pictures(pictures: torch.Tensor) -> Hashes:
    """The 256 bits (n, 4) of each picture, as four words."""
    return np.concatenate([_hashed(chunk) for chunk in torch.split(pictures, _PICTURES)])


def _hashed(pictures: torch.Tensor) -> Hashes:
    small = functional.adaptive_avg_pool2d(pictures.float(), HASHED_SIZE)
    luminance = (small * _LUMINANCE).sum(dim=1).numpy()
    lowest = dctn(luminance, axes=(1, 2))[:, :_FREQUENCIES, :_FREQUENCIES].reshape(len(small), -1)
    bits = lowest > np.median(
        lowest[:, 1:], axis=1, keepdims=True
    )  # without the first, the brightness
    return np.packbits(bits, axis=1).view(np.uint64)


def _near_hashes(hashes: Hashes) -> Iterator[Pairs]:
    """Pairs (m, 2) of positions, the lower first, at most `MAX_DISTANCE` apart."""
    step = max(1, _PAIRS // len(hashes))
    for start in range(0, len(hashes), step):
        rows, others = hashes[start : start + step], hashes[start:]
        distance = np.zeros((len(rows), len(others)), dtype=np.uint16)
        for word in range(hashes.shape[1]):
            distance += np.bitwise_count(rows[:, word, None] ^ others[:, word])
        near = np.argwhere(distance <= MAX_DISTANCE)
        yield near[near[:, 0] < near[:, 1]] + start
