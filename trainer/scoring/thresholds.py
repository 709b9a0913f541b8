"""Thresholds: from which probability on a concept is written, so that what is written is right.

For each concept, the lowest threshold at which precision is at least the promised one with the
promised confidence, by predictions for pictures that the classifier has not seen.

Validity. Let the predictions be sorted by the probability of the concept. Those above the m-th are
right with the precision of that threshold, independently, whatever the threshold turned out to be;
so the Clopper-Pearson lower bound holds for one m chosen beforehand (the m-th itself, and its ties,
are counted too, which only lowers the bound). Many m are looked at, so the error is shared out: two
starts get half of it each (Bonferroni), and from a start the ranks are walked down, as
fixed beforehand, until the first that fails: going on after a pass costs nothing, going on after a
failure is not allowed (fixed-sequence testing with multiple starts: Angelopoulos et al., Learn then
Test, https://arxiv.org/abs/2110.01052). Exact where a higher threshold means a higher precision.

The promise is for each concept by itself, and for records like those that were learned from.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from scipy.stats import beta

from common.vision.model import Description

CONFIDENCE = 0.95
STARTS = 2  # more would find more in thousands of examples, and less in hundreds
STRIDE = 1.1  # from one rank to the next


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a threshold does to some labelled pictures; NaN where nothing is written or to find.

    `precision` is the share of what is written that is right, `found` the share of the concept's
    pictures that it is written of.
    """

    threshold: float | None
    examples: int
    written: int
    precision: float
    found: float


def effect(
    probabilities: NDArray[np.floating], correct: NDArray[np.bool_], threshold: float | None
) -> Effect:
    """What the threshold of one concept does to examples (n,); None writes nothing."""
    passes = probabilities >= (math.inf if threshold is None else threshold)
    right, written, examples = (int(each.sum()) for each in (correct & passes, passes, correct))
    return Effect(
        threshold=threshold,
        examples=examples,
        written=written,
        precision=right / written if written else math.nan,
        found=right / examples if examples else math.nan,
    )


def effects(
    description: Description, probabilities: NDArray[np.floating], targets: NDArray[np.bool_]
) -> dict[str, Effect]:
    """By label, from all probabilities (n, concepts) and what is true."""
    thresholds = [description.thresholds[uri] for uri in description.concept_uris]
    return {
        label: effect(probabilities[:, index], targets[:, index], thresholds[index])
        for index, label in enumerate(description.labels)
    }


def effect_table(measured: dict[str, Effect], *, title: str) -> Table:
    """What the threshold of each concept does."""
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
    """The threshold of each concept, from all probabilities (n, concepts) and what is true."""
    return {
        uri: choose_threshold(probabilities[:, index], targets[:, index], precision=precision)
        for index, uri in enumerate(concept_uris)
    }


def choose_threshold(
    probabilities: NDArray[np.floating], correct: NDArray[np.bool_], *, precision: float
) -> float | None:
    """The lowest probability from which on `precision` holds with 95 % confidence, or None.

    Args:
        probabilities: of one concept, for all examples (n,).
        correct: whether each example shows that concept (n,).
    """
    order = np.argsort(-probabilities, kind="stable")
    descending, right = probabilities[order], np.cumsum(correct[order], dtype=np.int64)
    error = (1 - CONFIDENCE) / STARTS
    smallest = math.ceil(math.log(error) / math.log(precision))  # fewer prove nothing
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
    """How many predictions may be written, by the walk from one start; 0 if that fails at once."""
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
