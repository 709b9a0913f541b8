"""Thresholds: how often the proof of a precision keeps its promise, and how much it finds.

    python -m benchmarks.thresholds [--seeds 1000]

The proof gets the statements of a classifier for one concept, most confident first, and which of
them are right. It gives the last rank for which a precision of 0.9 is proved. The classifiers are
simulated, so the true precision of every threshold is known. There are calibrated ones, good and
medium; one with too high and one with too low confidence; and one that is right only at its few
most confident statements. Two must not be written: they are right with probability 0.85 and 0.899
at any confidence. In half of the cells the three most confident statements are made wrong, like
wrong labels. A cell has 50 to 5,000 statements.

`holds_at_least` is the share of seeds in which the threshold has the precision or no statement is
written, in the worst cell. `found` is the share of the right statements that are written: the mean
over the seeds and over the classifiers that may write, by the number of statements.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.parts.report import at_least, finish
from trainer.scoring.proof import proved_rank

Logits = NDArray[np.float64]
Ranks = NDArray[np.int64]
PRECISION = 0.9
COUNTS = (50, 100, 200, 500, 1_000, 2_000, 5_000)
PLANTED = 3  # mistakes among the most confident statements
POPULATION = 400_000
# Mean and deviation of the logits, and the share of right statements at a logit.
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

    right: NDArray[np.bool_]
    places: NDArray[np.int64]
    precision: NDArray[np.float64]
    found: NDArray[np.float64]

    def score(self, ranks: Ranks) -> tuple[float, float]:
        """How often the promise holds, and the mean share found."""
        last = self.places[np.arange(len(ranks)), np.maximum(ranks - 1, 0)]
        holds = (ranks == 0) | (self.precision[last] >= PRECISION)
        return float(holds.mean()), float(np.where(ranks > 0, self.found[last], 0.0).mean())


def draw(classifier: str, count: int, planted: int, seeds: int) -> DrawnLists:
    """Draw `seeds` lists of `count` statements."""
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


def proved(right: NDArray[np.bool_]) -> Ranks:
    """The last rank for which the precision is proved, for each seed."""
    probabilities = -np.arange(right.shape[1], dtype=np.float64)
    return np.array([proved_rank(probabilities, row, precision=PRECISION) for row in right])


def main(seeds: Annotated[int, typer.Option(min=20)] = 1_000) -> None:
    holds: list[float] = []
    found: dict[int, list[float]] = {count: [] for count in COUNTS}
    for classifier, planted, count in product(CLASSIFIERS, (0, PLANTED), COUNTS):
        drawn = draw(classifier, count, planted, seeds)
        held, share = drawn.score(proved(drawn.right))
        holds.append(held)
        if classifier not in SILENT:
            found[count].append(share)
    figures = {f"found_of_{count}": round(fmean(each), 4) for count, each in found.items()}
    finish(
        figures={"seeds": seeds, "holds_at_least": min(holds), **figures},
        bars={"holds_at_least": at_least(0.935)},
    )


if __name__ == "__main__":
    typer.run(main)
