"""Answers: what a model says of pictures, from the rows that a runtime computed of them.

Heads turn embeddings into probabilities; a whole network has computed its probabilities itself, and
beside them the features that tell whether a picture is like those that it learned from. Then the
rule says which concepts are written. A picture that is too different from the training pictures
gets none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from common.vision.answers.heads import Embeddings, HeadEnsemble
from common.vision.answers.likeness import Likeness, halved_if_any
from common.vision.bundle import Description


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureAnswer:
    """Of one picture: probabilities and written concepts, both (classes,)."""

    probabilities: NDArray[np.float32]
    is_unlike: bool
    written: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """Of n pictures: probabilities (n, classes), whether they are too different from the
    training pictures (n,), and which concepts are written (n, classes)."""

    probabilities: NDArray[np.float32]
    unlike: NDArray[np.bool_]
    written: NDArray[np.bool_]

    @classmethod
    def of(cls, answers: Sequence[PictureAnswer]) -> Self:
        return cls(
            probabilities=np.stack([each.probabilities for each in answers]),
            unlike=np.array([each.is_unlike for each in answers]),
            written=np.stack([each.written for each in answers]),
        )

    def __iter__(self) -> Iterator[PictureAnswer]:
        rows = zip(self.probabilities, self.unlike.tolist(), self.written, strict=True)
        for probabilities, is_unlike, written in rows:
            yield PictureAnswer(probabilities=probabilities, is_unlike=is_unlike, written=written)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answering:
    """A model without its network; `heads` are those of a model on an encoder.

    A model without `likeness` finds no picture unlike those that it learned from.
    """

    description: Description
    heads: HeadEnsemble | None
    likeness: Likeness | None

    def answers(self, rows: NDArray[np.floating]) -> Answers:
        """The answers to rows of pictures.

        Args:
            rows: embeddings as they are kept (n, dimension), for heads. Of a whole network the
                probabilities, and after them the features if it has a likeness.
        """
        if self.heads is None:
            classes = len(self.description.labels)
            probabilities, features = rows[:, :classes].astype(np.float32), rows[:, classes:]
            return self._decided(probabilities, halved_if_any(features))
        return self._decided(self.heads.probabilities(rows), rows)

    def _decided(self, probabilities: NDArray[np.float32], features: Embeddings) -> Answers:
        if self.likeness is None:
            unlike = np.zeros(len(probabilities), dtype=np.bool_)
        else:
            unlike = self.likeness.is_unlike(features)
        return Answers(
            probabilities=probabilities,
            unlike=unlike,
            written=is_written(self.description, probabilities) & ~unlike[:, np.newaxis],
        )


def is_written(description: Description, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    return description.rule.written(probabilities, description.thresholds, description.concept_uris)
