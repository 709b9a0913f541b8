"""Tallies: what a model said of pictures, counted, so that one can see when it says other things.

A worker does not learn whether it is right. But its predictions for a provider's pictures can be
compared with those at promotion: how often it writes, how often a picture is too different from the
training pictures, and how sure it is.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import ConfigDict, Field

if TYPE_CHECKING:  # commands that only show tallies need no numpy
    import numpy as np
    from numpy.typing import NDArray

BINS = 10  # of confidence, equally wide
TALLY_LENGTH = 3 + BINS  # numbers of a tally
DRIFTED = 0.25  # of the index: usually called a major shift
_LEAST = 1e-4  # share of a bin; an empty one would make the index infinite
Count = Annotated[int, Field(ge=0, le=2**53)]  # which float64 has exactly


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counted pictures: all, those with a written concept, and those of outcome `unlike`.

    `confidences` counts the others by the probability of their most probable concept: from 0 to
    0.1, from 0.1 to 0.2, and so on to 1.

    Raises:
        ValueError: the counts cannot be of the same pictures.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pictures: Count
    written: Count
    unlike: Count
    confidences: Annotated[tuple[Count, ...], Field(min_length=BINS, max_length=BINS)]

    def __post_init__(self) -> None:
        if self.written + self.unlike > self.pictures:
            raise ValueError("there are more written or unlike pictures than pictures")
        if sum(self.confidences) != self.pictures - self.unlike:
            raise ValueError(
                "the number of confidences is not the number of pictures that are similar to "
                "the training pictures"
            )

    @classmethod
    def of(
        cls,
        probabilities: "NDArray[np.float32]",
        *,
        written: "NDArray[np.bool_]",
        unlike: "NDArray[np.bool_]",
    ) -> Self:
        """The tally of probabilities and written concepts, both (n, classes), and `unlike` (n,)."""
        import numpy as np

        surest = probabilities[~unlike].max(axis=1, initial=0.0)
        return cls(
            pictures=len(probabilities),
            written=int(written.any(axis=1).sum()),
            unlike=int(unlike.sum()),
            confidences=tuple(np.bincount(_bins(surest), minlength=BINS).tolist()),
        )

    @classmethod
    def of_counts(cls, counts: Sequence[int]) -> Self:
        pictures, written, unlike, *confidences = counts
        return cls(
            pictures=pictures, written=written, unlike=unlike, confidences=tuple(confidences)
        )

    @classmethod
    def sum(cls, tallies: "Iterable[Tally]") -> "Tally":
        each = [tally.counts for tally in tallies]
        return Tally.of_counts(
            [sum(column) for column in zip((0,) * TALLY_LENGTH, *each, strict=True)]
        )

    @property
    def counts(self) -> tuple[int, ...]:
        """All numbers in the order of the fields; sums of them are those of all the pictures."""
        return (self.pictures, self.written, self.unlike, *self.confidences)

    @property
    def confidence(self) -> float:
        """The mean probability of the most probable concept, to half a bin; NaN if none is."""
        total = sum(self.confidences)
        weighed = ((place + 0.5) / BINS * count for place, count in enumerate(self.confidences))
        return math.fsum(weighed) / total if total else math.nan

    def drift_from(self, promotion: "Tally") -> float:
        """How far this is from what the model said at promotion; NaN if either has no picture.

        It is the population stability index over the bins of confidence and the share of unlike
        pictures: 0 if they agree, above DRIFTED a major shift (Siddiqi, Credit Risk Scorecards,
        2006). It is symmetric. With few pictures most of it is chance.
        """
        if not (self.pictures and promotion.pictures):
            return math.nan
        both = zip(self._shares(), promotion._shares(), strict=True)
        return math.fsum((here - there) * math.log(here / there) for here, there in both)

    def _shares(self) -> list[float]:
        counts = (self.unlike, *self.confidences)
        return [max(count / sum(counts), _LEAST) for count in counts]


def tallies_by(
    groups: Sequence[str],
    *,
    confidences: "NDArray[np.float32]",
    written: "NDArray[np.bool_]",
    unlike: "NDArray[np.bool_]",
) -> dict[str, Tally]:
    """The tally of each group of pictures.

    Args:
        groups: of each of n pictures.
        confidences: the probabilities (n,) of the most probable concepts.
        written: whether any concept is written (n,).
    """
    import numpy as np

    names, places = np.unique(np.array(groups, dtype=object), return_inverse=True)
    counts = [
        np.bincount(of_them, minlength=len(names))
        for of_them in (places, places[written], places[unlike])
    ]
    cells = places[~unlike] * BINS + _bins(confidences[~unlike])
    bins = np.bincount(cells, minlength=len(names) * BINS).reshape(len(names), BINS)
    table = np.column_stack([*counts, bins]).tolist()
    return {name: Tally.of_counts(row) for name, row in zip(names.tolist(), table, strict=True)}


def _bins(confidences: "NDArray[np.float32]") -> "NDArray[np.int64]":
    import numpy as np

    bins: NDArray[np.int64] = np.minimum((confidences * BINS).astype(np.int64), BINS - 1)
    return bins
