"""Heads: from kept embeddings to logits, with the same bits on every machine and in every batch.

A head is linear: a row of weights and a bias for each class. Libraries add the products of a row in
an order that depends on the batch and the machine, so float sums differ in their last bits. Here no
sum is ever rounded. The numbers of an embedding are float16, multiples of 2^-24; its length is 1.
The weights of a class are rounded to multiples of a power of two, 2^-28 of their length or less.
Then each product and each sum of products is a multiple of one step and below 2^53 of these steps:
float64 holds all of them exactly, in whatever order they are added.

So a record that is read from the store gets the answer that it got when its picture was looked at.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from common.vision.kinds import Kind

Embeddings = NDArray[np.float16]
"""Embeddings (n, dimension), each of length 1 before it was rounded to float16."""

_HALF_STEP = 2.0**-24  # of which every half is a multiple
_EXACT = 2.0**53  # up to which float64 has every whole number
LONGEST = 1.01  # an embedding, after rounding; so is a cosine of two
MOST_WEIGHT = 1e30  # of a weight or bias; beyond 1e38, logits are infinite and answers are NaN


def halved(vectors: NDArray[np.float32]) -> Embeddings:
    """Vectors (n, dimension) as they are kept: of length 1, rounded to float16.

    Raises:
        ValueError: a vector is zero, or has a number that is not finite.
    """
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError("the embedding of a picture is zero, or has a number that is not finite")
    halves: Embeddings = (exact / lengths).astype(np.float16)
    return halves


@dataclass(frozen=True, eq=False)
class Head:
    """Weights (classes, dimension) and bias (classes,), float64; build it with `rounded`."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    @classmethod
    def rounded(cls, weights: NDArray[np.floating], bias: NDArray[np.floating]) -> Self:
        """The head with these weights (classes, dimension), as exactly as they can be served.

        Raises:
            ValueError: the shapes do not match, or a number is not finite or too large.
        """
        exact, offsets = weights.astype(np.float64), bias.astype(np.float64)
        if exact.ndim != 2 or offsets.shape != exact.shape[:1]:
            raise ValueError(f"weights {exact.shape} and bias {offsets.shape} are no head")
        if not (np.isfinite(exact).all() and np.isfinite(offsets).all()):
            raise ValueError("a head has a weight that is not finite")
        if (np.abs(exact) > MOST_WEIGHT).any() or (np.abs(offsets) > MOST_WEIGHT).any():
            raise ValueError(f"a head has a weight above {MOST_WEIGHT:g}")
        length = np.linalg.norm(exact, axis=1, keepdims=True)
        smallest = np.maximum(LONGEST * length, np.finfo(np.float64).tiny) / _HALF_STEP / _EXACT
        step = 2.0 ** np.ceil(np.log2(smallest))
        return cls(np.round(exact / step) * step, offsets)

    @property
    def dimension(self) -> int:
        return int(self.weights.shape[1])

    def logits(self, embeddings: Embeddings) -> NDArray[np.float32]:
        """Logits (n, classes) of embeddings (n, dimension)."""
        products = embeddings.astype(np.float64) @ self.weights.T
        logits: NDArray[np.float32] = (products + self.bias).astype(np.float32)
        return logits


@dataclass(frozen=True, eq=False)
class HeadEnsemble:
    """The heads of a model, whose answer is the mean of their probabilities.

    `kind` and `temperature` are as in `Description`.
    """

    heads: tuple[Head, ...]
    kind: Kind
    temperature: float

    def probabilities(self, embeddings: Embeddings) -> NDArray[np.float32]:
        """Probabilities (n, classes) of embeddings (n, dimension)."""
        answers = [self._scaled(head.logits(embeddings)) for head in self.heads]
        mean: NDArray[np.float32] = np.mean(answers, axis=0).astype(np.float32)
        return mean

    def _scaled(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        scaled = logits.astype(np.float64) / self.temperature
        if self.kind == "multi":
            return 0.5 + 0.5 * np.tanh(scaled / 2)  # a sigmoid that does not overflow
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return shares
