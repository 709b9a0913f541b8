"""Thresholds: how often a procedure keeps its promise, and how much it finds.

    python -m benchmarks.thresholds [--seeds 1000]

A procedure gets the statements of a classifier for one concept, most confident first, and which of
them are right. It says up to which rank a precision of 0.9 is proved. The true precision of every
threshold is known, since the classifiers are drawn: calibrated ones, good and middling; one too
sure of itself, one too modest, and one that is right at its few most confident statements only; one
that is right by 0.85 whatever it says, and one by 0.899, of which nothing may be written. In half
of the cells the three most confident statements are made wrong, as if their labels were. A cell has
50 to 5,000 statements.

`holds` is the share of seeds in which the threshold has the precision, or nothing is written.
`found` is the share of the right statements that are written, mean over seeds. It is compared with
that of the sequence from two starts, which the product had before, except where both find less
than a thousandth: such as with three mistakes in 100 statements. The two classifiers of which
nothing should be written have no `found` either. `benchmarks.promises` compares the procedures on
photographs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table
from scipy.special import expit

from benchmarks.parts.procedures import PROCEDURES, Ranks, Right
from benchmarks.parts.report import at_least, finish
from common.process.terminal.console import SafeConsole

Logits = NDArray[np.float64]
PRECISION = 0.9
COUNTS = (50, 100, 200, 500, 1_000, 2_000, 5_000)
PLANTED = 3  # mistakes among the most confident statements
POPULATION = 400_000
LEAST = 0.001  # that is found
OURS, BEFORE = "fallback", "two starts"
# Mean and deviation of the logits, and the share that is right at a logit.
CLASSIFIERS: dict[str, tuple[float, float, Callable[[Logits], Logits]]] = {
    "good": (3.2, 1.6, expit),
    "middling": (2.0, 1.6, expit),
    "too sure": (3.0, 2.5, lambda logits: expit(0.5 * logits + 0.3)),
    "too modest": (1.5, 1.2, lambda logits: expit(1.7 * logits)),
    "seldom sure": (-1.5, 2.5, lambda logits: 0.02 + 0.97 * expit(logits) ** 1.5),
    "never enough": (2.0, 1.5, lambda logits: np.full_like(logits, 0.85)),
    "just not enough": (2.0, 1.5, lambda logits: np.full_like(logits, 0.899)),
}
SILENT = ("never enough", "just not enough")


@dataclass(frozen=True, eq=False)
class DrawnLists:
    """Lists of statements of one classifier, most confident first.

    `right` and the places of the statements in the population are (seeds, n). `precision` and
    `found` (population,) are those of a threshold at each place.
    """

    right: Right
    places: NDArray[np.int64]
    precision: NDArray[np.float64]
    found: NDArray[np.float64]

    def score(self, ranks: Ranks) -> tuple[float, float]:
        """How often the promise holds, and the mean share that is found."""
        last = self.places[np.arange(len(ranks)), np.maximum(ranks - 1, 0)]
        holds = (ranks == 0) | (self.precision[last] >= PRECISION)
        return float(holds.mean()), float(np.where(ranks > 0, self.found[last], 0.0).mean())


def draw(classifier: str, count: int, planted: int, seeds: int) -> DrawnLists:
    """Draw so many lists of `count` statements."""
    mean, deviation, share = CLASSIFIERS[classifier]
    logits = -np.sort(-np.random.default_rng(0).normal(mean, deviation, POPULATION))
    likely = share(logits)
    right = np.empty((seeds, count), dtype=np.bool_)
    places = np.empty((seeds, count), dtype=np.int64)
    for seed in range(seeds):
        chance = np.random.default_rng([seed, count, planted])
        places[seed] = np.sort(chance.choice(POPULATION, count, replace=False))
        right[seed] = chance.random(count) < likely[places[seed]]
    right[:, :planted] = False
    cumulated = np.cumsum(likely)
    return DrawnLists(
        right=right,
        places=places,
        precision=cumulated / np.arange(1, POPULATION + 1),
        found=cumulated / cumulated[-1],
    )


def main(seeds: Annotated[int, typer.Option(min=20)] = 1_000) -> None:
    """Compare the procedures and report."""
    rows: list[dict[str, Any]] = []
    for classifier in CLASSIFIERS:
        for planted in (0, PLANTED):
            for count in COUNTS:
                drawn = draw(classifier, count, planted, seeds)
                scores = {
                    name: drawn.score(procedure(drawn.right, PRECISION))
                    for name, procedure in PROCEDURES.items()
                }
                rows.append(
                    {"classifier": classifier, "planted": planted, "count": count, **scores}
                )
    SafeConsole(stderr=True, width=150).print(_table(rows))
    telling = [row for row in rows if row["classifier"] not in SILENT and _finds_something(row)]
    ratios = {
        "planted": [_ratio(row) for row in telling if row["planted"]],
        "from_500": [_ratio(row) for row in telling if not row["planted"] and row["count"] >= 500],
        "below_500": [_ratio(row) for row in telling if not row["planted"] and row["count"] < 500],
    }
    finish(
        figures={
            "seeds": seeds,
            "holds_at_least": min(row[OURS][0] for row in rows),
            "holds_at_least_by_procedure": {
                name: min(row[name][0] for row in rows) for name in PROCEDURES
            },
            **{f"found_{cells}": min(each) for cells, each in ratios.items()},
            "cells": {cells: len(each) for cells, each in ratios.items()},
            "found_mean_by_procedure": {
                name: float(np.mean([row[name][1] for row in telling])) for name in PROCEDURES
            },
        },
        bars={
            "holds_at_least": at_least(0.935),
            "found_planted": at_least(1.3),
            "found_from_500": at_least(0.97),
            "found_below_500": at_least(0.85),
        },
    )


def _finds_something(row: dict[str, Any]) -> bool:
    return bool(max(row[OURS][1], row[BEFORE][1]) >= LEAST)


def _ratio(row: dict[str, Any]) -> float:
    """How many times as much ours finds as the procedure before."""
    return float(row[OURS][1] / max(row[BEFORE][1], LEAST))


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table("classifier", "planted", "statements", *PROCEDURES, title="holds, found")
    for row in rows:
        cells = (f"{row[name][0]:.3f} {row[name][1]:.3f}" for name in PROCEDURES)
        table.add_row(row["classifier"], str(row["planted"]), f"{row['count']:,}", *cells)
    return table


if __name__ == "__main__":
    typer.run(main)
