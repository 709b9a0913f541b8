"""Labels that are probably wrong: a curator looks at these first.

Confident learning (Northcutt, Jiang and Chuang, 2021, https://arxiv.org/abs/1911.00068): a picture
counts as confidently of a category where that category's probability reaches the mean over the
pictures labelled so. A picture that is confidently of another category than its label says is
doubtful; those whose probabilities differ most come first. The probabilities are out of fold: no
classifier judges a label that it has learned. Where a picture may have several categories, each is
a question of its own: it has it, or it has it not.

It finds labels that contradict the rest. Errors that the labels make throughout, it cannot see.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.vision.model import Kind
from trainer.scoring.metrics import Numbers
from trainer.scoring.predictions import Predictions, write_table

Positions = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A label that is probably wrong; `position` is that of the picture in the predictions.

    Of the categories `given` and `suggested` one is None where a picture may have several: then
    the suggested one is probably missing, or the given one probably wrong.
    """

    position: int
    given: int | None
    suggested: int | None
    given_probability: float
    suggested_probability: float


def doubtful_labels(predictions: Predictions, kind: Kind) -> list[Doubt]:
    """The doubtful labels among out-of-fold predictions, the most doubtful first."""
    probabilities = predictions.probabilities.astype(np.float64)
    if kind == "single":
        doubts = _doubts(probabilities, predictions.targets.argmax(axis=1))
    else:
        doubts = [
            _of_category(doubt, category)
            for category in range(probabilities.shape[1])
            for doubt in _doubts(
                np.column_stack([1 - probabilities[:, category], probabilities[:, category]]),
                predictions.targets[:, category].astype(np.int64),
            )
        ]
    return sorted(doubts, key=lambda doubt: doubt.given_probability - doubt.suggested_probability)


def write_doubts(
    path: Path, doubts: list[Doubt], predictions: Predictions, categories: tuple[str, ...]
) -> None:
    """Write the doubts as CSV, for whoever mends the labels."""

    def label(category: int | None) -> str:
        return "" if category is None else categories[category]

    header = ["example", "given", "suggested", "probability_given", "probability_suggested"]
    rows = (
        [
            predictions.keys[doubt.position],
            label(doubt.given),
            label(doubt.suggested),
            f"{doubt.given_probability:.4f}",
            f"{doubt.suggested_probability:.4f}",
        ]
        for doubt in doubts
    )
    write_table(path, [header, *rows])


def _doubts(probabilities: Numbers, labels: Positions) -> list[Doubt]:
    rows = np.arange(len(labels))
    confident = probabilities >= _usual(probabilities, labels)
    likeliest = np.where(confident, probabilities, -1).argmax(axis=1)
    doubtful = confident[rows, likeliest] & (likeliest != labels)
    return [
        Doubt(
            position=int(row),
            given=int(labels[row]),
            suggested=int(likeliest[row]),
            given_probability=float(probabilities[row, labels[row]]),
            suggested_probability=float(probabilities[row, likeliest[row]]),
        )
        for row in np.flatnonzero(doubtful)
    ]


def _usual(probabilities: Numbers, labels: Positions) -> Numbers:
    """The mean probability of each category over the pictures labelled so; infinite without any."""
    labelled = labels[:, None] == np.arange(probabilities.shape[1])
    counts = labelled.sum(axis=0)
    means = (probabilities * labelled).sum(axis=0) / np.maximum(counts, 1)
    return np.where(counts > 0, means, np.inf)


def _of_category(doubt: Doubt, category: int) -> Doubt:
    """A doubt about no (0) or yes (1) as one about the category that was asked for."""
    return Doubt(
        position=doubt.position,
        given=category if doubt.given else None,
        suggested=category if doubt.suggested else None,
        given_probability=doubt.given_probability,
        suggested_probability=doubt.suggested_probability,
    )
