"""Predictions: the categories and probabilities of pictures, and their CSV file.

    example,category,predicted,map,toy
    map/000.png,map,map,0.93,0.07

If a picture has several categories, one cell has all of them, written as a line of CSV.

The asserted categories of a picture are those that the classifier gives it. If pictures have one
category, this is the most probable one. If they may have several, these are all with probability
0.5 or more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer

from common.vision.kinds import Kind
from trainer.data.tables import cell_of, labels_in, read_table, write_table

Targets = NDArray[np.bool_]
Probabilities = NDArray[np.float32]
Numbers = NDArray[np.float64]
Share = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(
        lambda value: None if math.isnan(value) else value,
        return_type=float | None,
        when_used="json",
    ),
]
"""A number that may be undefined: NaN here, null in JSON."""
ASSERTED_FROM = 0.5  # if a picture may have several categories
_COLUMNS = ("example", "category", "predicted")


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Keys (n,) of examples, their true categories and the probabilities, both (n, classes)."""

    keys: tuple[str, ...]
    targets: Targets
    probabilities: Probabilities

    @staticmethod
    def joined(parts: "Sequence[Predictions]") -> "Predictions":
        return Predictions(
            keys=tuple(key for part in parts for key in part.keys),
            targets=np.concatenate([part.targets for part in parts]),
            probabilities=np.concatenate([part.probabilities for part in parts]),
        )


def asserted(probabilities: Probabilities, kind: Kind) -> Targets:
    """The asserted categories (n, classes), before any threshold."""
    if kind == "multi":
        return probabilities >= ASSERTED_FROM
    predicted = np.zeros(probabilities.shape, dtype=np.bool_)
    predicted[np.arange(len(predicted)), probabilities.argmax(axis=1)] = True
    return predicted


def write_predictions(
    path: Path, predictions: Predictions, categories: tuple[str, ...], kind: Kind
) -> None:
    """Write predictions as CSV; reading gives the probabilities exactly."""
    predicted = asserted(predictions.probabilities, kind)
    rows = (
        [key, cell_of(true, categories), cell_of(guess, categories), *map(repr, row.tolist())]
        for key, true, guess, row in zip(
            predictions.keys, predictions.targets, predicted, predictions.probabilities, strict=True
        )
    )
    write_table(path, [[*_COLUMNS, *categories], *rows])


def read_predictions(path: Path) -> Predictions:
    """The predictions that `write_predictions` wrote.

    Raises:
        OSError: the file cannot be read.
        ValueError, csv.Error: the file is damaged.
    """
    header, *rows = read_table(path)
    if header[: len(_COLUMNS)] != list(_COLUMNS):
        raise ValueError(f"its first columns are not {', '.join(_COLUMNS)}")
    categories = header[len(_COLUMNS) :]
    targets = np.zeros((len(rows), len(categories)), dtype=np.bool_)
    for i, row in enumerate(rows):
        targets[i, [categories.index(category) for category in labels_in(row[1])]] = True
    probabilities = np.array([row[len(_COLUMNS) :] for row in rows], dtype=np.float32)
    return Predictions(
        keys=tuple(row[0] for row in rows),
        targets=targets,
        probabilities=probabilities.reshape(targets.shape),
    )
