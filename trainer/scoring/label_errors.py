"""Doubtful labels: those that are probably wrong, for a curator to check first.

The method is confident learning (Northcutt, Jiang and Chuang, 2021,
https://arxiv.org/abs/1911.00068). A picture is confidently in a category if the category's
probability reaches its mean over the pictures with that label. A label is doubtful if the picture
is confidently in another category. The largest differences of the two probabilities come first. The
probabilities are out of fold: no classifier judges a label that it was trained on. If a picture may
have several categories, each is a separate yes-or-no question.

The method finds labels that contradict the others. It cannot find systematic errors.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.vision.kinds import Kind
from trainer.data.tables import write_table
from trainer.scoring.predictions import Numbers, Predictions

Positions = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A label that is probably wrong; `position` is the place of the picture in the predictions.

    If a picture may have several categories, either `given` or `suggested` is None: the suggested
    category is probably missing, or the given one is probably wrong.
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


def pictures_in_doubt(predictions: Predictions, kind: Kind) -> Positions:
    """The ascending positions of pictures with a doubtful label.

    If most pictures of a category are in doubt, the classifier is probably wrong, not the labels.
    So all pictures of that category stay.
    """
    doubts = [doubt.position for doubt in doubtful_labels(predictions, kind)]
    doubtful = np.zeros(len(predictions.keys), dtype=np.bool_)
    doubtful[doubts] = True
    lost = predictions.targets[doubtful].sum(axis=0) * 2 > predictions.targets.sum(axis=0)
    return np.flatnonzero(doubtful & ~predictions.targets[:, lost].any(axis=1))


def write_doubts(
    path: Path, doubts: list[Doubt], predictions: Predictions, categories: tuple[str, ...]
) -> None:
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
    """The mean probability (classes,) of each category over its pictures; infinite if none."""
    labelled = labels[:, None] == np.arange(probabilities.shape[1])
    counts = labelled.sum(axis=0)
    means = (probabilities * labelled).sum(axis=0) / np.maximum(counts, 1)
    return np.where(counts > 0, means, np.inf)


def _of_category(doubt: Doubt, category: int) -> Doubt:
    """A doubt between no (0) and yes (1), as a doubt about the category in question."""
    return Doubt(
        position=doubt.position,
        given=category if doubt.given else None,
        suggested=category if doubt.suggested else None,
        given_probability=doubt.given_probability,
        suggested_probability=doubt.suggested_probability,
    )
