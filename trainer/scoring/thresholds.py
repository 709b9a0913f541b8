"""Thresholds: a concept is written from this probability, so that the promise is kept.

The threshold of a concept is the lowest one whose precision is proved to be the promised one
(`proof`), among the statements that the model's rule may write. It is chosen on predictions for
pictures that the classifier was not trained on.

The promise holds for each concept separately, and for records like those of the training.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.vision.answers.rule import Rule
from common.vision.bundle import Description
from trainer.scoring.predictions import Share
from trainer.scoring.proof import best_precision, proved_rank, times_as_many


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The effect of a threshold on labelled pictures.

    `precision` is the share of written concepts that are right, NaN if none is written. `found` is
    the share of the concept's pictures for which it is written, NaN if there are none.
    """

    threshold: float | None
    examples: int
    written: int
    right: int
    precision: Share
    found: Share


def effect(
    written: NDArray[np.bool_], correct: NDArray[np.bool_], threshold: float | None
) -> Effect:
    right, count, examples = (int(each.sum()) for each in (correct & written, written, correct))
    return Effect(
        threshold=threshold,
        examples=examples,
        written=count,
        right=right,
        precision=right / count if count else math.nan,
        found=right / examples if examples else math.nan,
    )


def effects(
    description: Description, written: NDArray[np.bool_], targets: NDArray[np.bool_]
) -> dict[str, Effect]:
    """The effects by label, from what is written and what is right, both (n, concepts)."""
    thresholds = [description.thresholds[uri] for uri in description.concept_uris]
    return {
        label: effect(written[:, index], targets[:, index], thresholds[index])
        for index, label in enumerate(description.labels)
    }


def choose_thresholds(
    probabilities: NDArray[np.float32],
    targets: NDArray[np.bool_],
    concept_uris: tuple[str, ...],
    *,
    rule: Rule,
    precision: float,
) -> dict[str, float | None]:
    """The threshold of each concept, from probabilities and targets (n, concepts).

    It is None for a concept whose precision is not proved.
    """
    statements = statements_of(probabilities, targets, rule)
    return {
        uri: each.threshold(precision) for uri, each in zip(concept_uris, statements, strict=True)
    }


@dataclass(frozen=True, eq=False)
class Statements:
    """Statements that the rule may write of a concept: descending probabilities (n,), and which are
    right.

    `examples` are the pictures that show the concept.
    """

    probabilities: NDArray[np.float32]
    correct: NDArray[np.bool_]
    examples: int

    def threshold(self, precision: float) -> float | None:
        """The lowest threshold with the promised precision; None if none is proved."""
        rank = proved_rank(self.probabilities, self.correct, precision=precision)
        return float(self.probabilities[rank - 1]) if rank else None

    def curve(self, examples: int) -> "Curve":
        """Precision and the share found; `examples` is the number of pictures that show the
        concept.
        """
        last = np.flatnonzero(np.diff(self.probabilities, append=-1))  # of equally probable ones
        right, written = np.cumsum(self.correct)[last], last + 1
        return Curve(found=right / max(examples, 1), precision=right / written)

    def outlook(self, precision: float) -> "Outlook":
        times = times_as_many(self.probabilities, self.correct, precision=precision)
        return Outlook(
            best_precision=best_precision(self.probabilities, self.correct),
            more_pictures=None if times is None else (times - 1) * self.examples,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """For falling thresholds of a concept: the share of its pictures found, and the precision; both
    are (n,).
    """

    found: NDArray[np.float64]
    precision: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """The possible promise for a concept that is switched off.

    `best_precision` is proved now. About `more_pictures` more labelled pictures of the concept,
    like the present ones, would prove the wanted precision. It is None if more pictures alone are
    probably not enough.
    """

    best_precision: float
    more_pictures: int | None


def statements_of(
    probabilities: NDArray[np.float32], targets: NDArray[np.bool_], rule: Rule
) -> list[Statements]:
    """The statements for each concept, from probabilities and targets (n, concepts)."""
    candidates = rule.candidates(probabilities)
    found = []
    for column in range(probabilities.shape[1]):
        chosen = candidates[:, column]
        stated, correct = probabilities[chosen, column], targets[chosen, column]
        order = np.argsort(-stated, kind="stable")
        examples = int(targets[:, column].sum())
        found.append(Statements(stated[order], correct[order], examples))
    return found
