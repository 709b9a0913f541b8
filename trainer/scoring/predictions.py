"""Predictions, and how they are kept: a table with a line for each picture.

    example,category,predicted,map,toy
    map/000.png,map,map,0.93,0.07

A picture may have several categories; they then stand in the one cell as a line of CSV of its own.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.files import write_atomically
from common.vision.model import Kind
from trainer.scoring.metrics import Probabilities, Targets, asserted

_COLUMNS = ("example", "category", "predicted")


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Of some examples: keys (n,), what is true and its probabilities, both (n, classes)."""

    keys: tuple[str, ...]
    targets: Targets
    probabilities: Probabilities

    @staticmethod
    def joined(parts: "Sequence[Predictions]") -> "Predictions":
        """Those of several folds as one."""
        return Predictions(
            keys=tuple(key for part in parts for key in part.keys),
            targets=np.concatenate([part.targets for part in parts]),
            probabilities=np.concatenate([part.probabilities for part in parts]),
        )


def write_predictions(
    path: Path, predictions: Predictions, categories: tuple[str, ...], kind: Kind
) -> None:
    """Write predictions as CSV; the probabilities come back to the last bit."""
    said = asserted(predictions.probabilities, kind)
    rows = (
        [key, cell_of(true, categories), cell_of(guess, categories), *map(repr, row.tolist())]
        for key, true, guess, row in zip(
            predictions.keys, predictions.targets, said, predictions.probabilities, strict=True
        )
    )
    write_table(path, [[*_COLUMNS, *categories], *rows])


def read_predictions(path: Path) -> Predictions:
    """The predictions that `write_predictions` wrote.

    Raises:
        OSError, ValueError, KeyError, IndexError: the file is missing or damaged.
    """
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    categories = header[len(_COLUMNS) :]
    position = {category: i for i, category in enumerate(categories)}
    targets = np.zeros((len(rows), len(categories)), dtype=np.bool_)
    for i, row in enumerate(rows):
        targets[i, [position[category] for category in labels_in(row[1])]] = True
    probabilities = np.array([row[len(_COLUMNS) :] for row in rows], dtype=np.float32)
    return Predictions(
        keys=tuple(row[0] for row in rows),
        targets=targets,
        probabilities=probabilities.reshape(targets.shape),
    )


def cell_of(chosen: Iterable[bool], categories: tuple[str, ...]) -> str:
    """The chosen categories as one cell of a table."""
    labels = [category for category, is_so in zip(categories, chosen, strict=True) if is_so]
    return _csv([labels]).rstrip("\n") if labels else ""


def labels_in(cell: str) -> list[str]:
    """The categories in a cell that `cell_of` made."""
    return next(csv.reader([cell]), [])


def write_table(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as CSV."""
    write_atomically(path, _csv(rows))


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
