"""Likeness: whether a picture is like those that a model learned from.

A picture that is too different from all of them gets no concept: a prediction would be a guess. The
likeness of a picture is the cosine of its features and those of the third nearest picture that the
model learned from (k nearest neighbours for out-of-distribution detection: Sun et al., 2022,
https://arxiv.org/abs/2204.06507). The features are the encoder's embedding, or what a network hands
to its last layer.

Cosines are computed in float32. Only one that is as near to the limit as float32 may err is
computed again exactly: products of float16 numbers and their sums fit into float64 (`heads`). So
the answer does not depend on the batch or the machine.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from common.vision.answers.heads import Embeddings

# With 1, 3, 5 and 10 neighbours, on features of a MobileNetV2, each of three museums left out in
# turn: at least 96.7, 97.8, 96.9 and 94.5 % of 3,000 photographs of buildings were unlike the other
# two, and at least 89.0, 88.8, 90.3 and 91.2 % of the museum that was left out was like them.
NEIGHBOURS = 3
MOST_REFERENCES = 2_000  # pictures that a picture is compared with; more cost time and bring little
MOST_BYTES = 8 << 20  # of references
_PART = 256  # pictures that are compared at a time; bounds the memory
_EPSILON = 2.0**-23  # of float32


@dataclass(frozen=True, eq=False)
class Likeness:
    """Embeddings (m, dimension) of pictures that a model learned from, and the least cosine.

    Build it with `of`.
    """

    references: Embeddings
    least: float
    _transposed: NDArray[np.float32]

    @classmethod
    def of(cls, references: Embeddings, least: float) -> Self:
        """The likeness to references.

        Raises:
            ValueError: there are fewer than NEIGHBOURS references, or a number is out of range.
        """
        if references.ndim != 2 or len(references) < NEIGHBOURS:
            raise ValueError(f"there are fewer than {NEIGHBOURS} pictures to compare with")
        lengths = np.linalg.norm(references.astype(np.float64), axis=1)
        if not (np.abs(lengths - 1) <= 0.01).all() or not -1 <= least <= 1:  # nor is NaN
            raise ValueError("a number is out of range")
        return cls(references, least, np.ascontiguousarray(references.T.astype(np.float32)))

    def is_unlike(self, embeddings: Embeddings) -> NDArray[np.bool_]:
        cosines = self._cosines(embeddings)
        unlike: NDArray[np.bool_] = cosines < self.least
        error = (embeddings.shape[1] + 2) * _EPSILON
        unsure = np.abs(cosines - self.least) <= error
        if unsure.any():
            unlike[unsure] = likeness(embeddings[unsure], self.references) < self.least
        return unlike | ~embeddings.any(axis=1)  # zeros are like nothing, whatever the limit is

    def _cosines(self, embeddings: Embeddings) -> NDArray[np.float32]:
        found = np.empty(len(embeddings), dtype=np.float32)
        for start in range(0, len(embeddings), _PART):
            part = embeddings[start : start + _PART].astype(np.float32)
            found[start : start + _PART] = _nearest(part @ self._transposed)
        return found


def likeness(embeddings: Embeddings, references: Embeddings) -> NDArray[np.float64]:
    """The exact cosine (n,) of each embedding and its third nearest reference."""
    found = np.empty(len(embeddings))
    exact = references.T.astype(np.float64)
    for start in range(0, len(embeddings), _PART):
        part = embeddings[start : start + _PART].astype(np.float64)
        found[start : start + _PART] = _nearest(part @ exact)
    return found


def _nearest(cosines: NDArray[np.floating]) -> NDArray[np.floating]:
    third: NDArray[np.floating] = np.partition(cosines, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
    return third


def most_references(dimension: int) -> int:
    return min(MOST_REFERENCES, MOST_BYTES // (2 * dimension))


def halved_if_any(features: NDArray[np.floating]) -> Embeddings:
    """Features (n, dimension) of length 1, as float16; zeros, which are like no picture, of others.

    A network's last layer may be handed nothing but zeros.
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    usable = np.isfinite(lengths) & (lengths > 0)
    ones = np.where(usable, features / np.where(usable, lengths, 1), 0)
    halves: Embeddings = ones.astype(np.float16)
    return halves
