"""Thresholds: a concept is written if its probability reaches its threshold.

The threshold of a concept is the lowest one whose precision is at least the promised one, with 95 %
confidence. It is chosen on predictions for pictures that the classifier was not trained on.

Why this is valid: sort the predictions by the probability of the concept. Given the m-th
probability, the predictions above it are independently right with the precision of that threshold.
So the Clopper-Pearson lower bound holds for one m that is fixed beforehand. (The m-th prediction
and its ties are counted too, which only lowers the bound.) Several m are tested, so the error is
divided: two starts get half of it each (Bonferroni). From a start the ranks go down in a fixed
sequence until the first failure. Going on after a pass costs no error, going on after a failure
is not allowed (fixed-sequence testing with multiple starts: Angelopoulos et al., Learn then Test,
2021, https://arxiv.org/abs/2110.01052). This is exact if a higher threshold has a higher precision.

The promise holds for each concept by itself, and for records like those of the training.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from scipy.stats import beta

from common.vision.bundle import Description

CONFIDENCE = 0.95
STARTS = 2  # more starts find more in thousands of examples, and less in hundreds
STRIDE = 1.1  # ratio of one rank to the next


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The effect of a threshold on labelled pictures.

    `precision` is the share of written concepts that are right, NaN if none is written. `found` is
    the share of the concept's pictures for which it is written, NaN if there are none.
    """

    threshold: float | None
    examples: int
    written: int
    precision: float
    found: float


def effect(
    written: NDArray[np.bool_], correct: NDArray[np.bool_], threshold: float | None
) -> Effect:
    """The effect of one concept's threshold on examples (n,)."""
    right, said, examples = (int(each.sum()) for each in (correct & written, written, correct))
    return Effect(
        threshold=threshold,
        examples=examples,
        written=said,
        precision=right / said if said else math.nan,
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


def effect_table(measured: dict[str, Effect], *, title: str) -> Table:
    """The effects of thresholds as a table."""
    table = Table(title=title, box=box.SIMPLE)
    table.add_column("category")
    for column in ("examples", "written from", "written", "precision", "found"):
        table.add_column(column, justify="right")
    for label, each in measured.items():
        if each.threshold is None:
            table.add_row(label, f"{each.examples:,}", "off", style="yellow")
            continue
        precision, found = _share(each.precision), _share(each.found)
        numbers = (f"{each.examples:,}", f"{each.threshold:.3f}", f"{each.written:,}")
        table.add_row(label, *numbers, precision, found)
    return table


def _share(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.3f}"


def choose_thresholds(
    probabilities: NDArray[np.floating],
    targets: NDArray[np.bool_],
    concept_uris: tuple[str, ...],
    *,
    precision: float,
) -> dict[str, float | None]:
    """The threshold of each concept, from probabilities and targets (n, concepts)."""
    return {
        uri: choose_threshold(probabilities[:, index], targets[:, index], precision=precision)
        for index, uri in enumerate(concept_uris)
    }


def choose_threshold(
    probabilities: NDArray[np.floating], correct: NDArray[np.bool_], *, precision: float
) -> float | None:
    """The lowest threshold with the promised precision, at 95 % confidence; None if there is none.

    Args:
        probabilities: those of one concept, (n,).
        correct: whether each example has that concept, (n,).
    """
    order = np.argsort(-probabilities, kind="stable")
    descending, right = probabilities[order], np.cumsum(correct[order], dtype=np.int64)
    error = (1 - CONFIDENCE) / STARTS
    smallest = math.ceil(math.log(error) / math.log(precision))  # fewer cannot prove it
    lowest = max(
        _walk(descending, right, start=smallest * 2**i, precision=precision, error=error)
        for i in range(STARTS)
    )
    return float(descending[lowest - 1]) if lowest else None


def _walk(
    descending: NDArray[np.floating],
    right: NDArray[np.int64],
    *,
    start: int,
    precision: float,
    error: float,
) -> int:
    """How many predictions one start allows to write; 0 if the first rank fails."""
    passed, rank = 0, start
    while rank <= len(descending):
        above = int(np.searchsorted(-descending, -descending[rank - 1], side="right"))
        if lower_bound(int(right[above - 1]), above, error) < precision:
            break
        passed, rank = above, math.ceil(rank * STRIDE)
    return passed


def lower_bound(right: int, tries: int, error: float) -> float:
    """Clopper-Pearson: the lowest success rate not ruled out at `error`, one-sided."""
    return float(beta.ppf(error, right, tries - right + 1)) if right else 0.0
