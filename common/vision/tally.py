"""Tallies: what a model said of pictures, counted, so that one can see when it says other things.

Nobody tells a worker whether it is right. But what it says of a provider's pictures can be compared
with what it said at promotion: how often it writes, how often it finds a picture unlike all that it
learned from, and how sure it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

BINS = 10  # of confidence, equally wide
DRIFTED = 0.25  # of the index: usually called a major shift
_LEAST = 1e-4  # share of a bin; an empty one would make the index infinite
_Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counted pictures: all, those with a written concept, and those unlike all that was learned.

    `confidences` counts the others by the probability of their most probable concept, in BINS bins
    from 0 to 1.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pictures: _Count
    written: _Count
    unlike: _Count
    confidences: Annotated[tuple[_Count, ...], Field(min_length=BINS, max_length=BINS)]

    @classmethod
    def of(
        cls,
        probabilities: NDArray[np.float32],
        *,
        written: NDArray[np.bool_],
        unlike: NDArray[np.bool_],
    ) -> Self:
        """The tally of probabilities and written concepts, both (n, classes), and `unlike` (n,)."""
        surest = probabilities[~unlike].max(axis=1, initial=0.0)
        bins = np.minimum((surest * BINS).astype(np.int64), BINS - 1)
        return cls(
            pictures=len(probabilities),
            written=int(written.any(axis=1).sum()),
            unlike=int(unlike.sum()),
            confidences=tuple(np.bincount(bins, minlength=BINS).tolist()),
        )

    @classmethod
    def sum(cls, tallies: "Iterable[Tally]") -> "Tally":
        """The tally of all these pictures together."""
        each = [(t.pictures, t.written, t.unlike, *t.confidences) for t in tallies]
        totals = np.array([(0,) * (3 + BINS), *each], dtype=np.int64).sum(axis=0)
        pictures, written, unlike, *confidences = map(int, totals)
        return Tally(
            pictures=pictures, written=written, unlike=unlike, confidences=tuple(confidences)
        )

    @property
    def confidence(self) -> float:
        """The mean probability of the most probable concept, to half a bin; NaN if none is."""
        middles = (np.arange(BINS) + 0.5) / BINS
        counts = np.array(self.confidences)
        return float(middles @ counts / counts.sum()) if counts.any() else float("nan")

    def drift_from(self, promotion: "Tally") -> float:
        """How far this is from what the model said at promotion; NaN if either has no picture.

        It is the population stability index over the bins of confidence and the share of unlike
        pictures: 0 if they agree, above DRIFTED a major shift (Siddiqi, Credit Risk Scorecards,
        2006). It is symmetric. With few pictures most of it is chance.
        """
        if not (self.pictures and promotion.pictures):
            return float("nan")
        here, there = self._shares(), promotion._shares()
        return float(((here - there) * np.log(here / there)).sum())

    def _shares(self) -> NDArray[np.float64]:
        counts = np.array([self.unlike, *self.confidences], dtype=np.float64)
        shares: NDArray[np.float64] = np.maximum(counts / counts.sum(), _LEAST)
        return shares
