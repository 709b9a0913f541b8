"""How good predictions are, for one fold and for all folds together.

The asserted categories of a picture are what the classifier says it shows: the most probable one
where a picture has one category, all of probability 0.5 or more where it may have several.

Undefined values are NaN here and null in JSON. Macro averages are means over the categories that
the test part has examples of, each with the same weight. A category that is never asserted has no
precision; in the macro average it counts as 0, so that giving up on a category is no gain.
A cross-validation has the mean and the deviation over its folds.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, coverage_error, label_ranking_loss

from common.vision.model import Kind
from trainer.scoring.calibration import Calibration

Targets = NDArray[np.bool_]
Probabilities = NDArray[np.float32]
Numbers = NDArray[np.float64]
Value = TypeVar("Value")
ASSERTED_FROM = 0.5  # of several possible categories
TITLES = {
    "accuracy": "accuracy",
    "precision": "macro precision",
    "recall": "macro recall",
    "specificity": "macro specificity",
    "f1": "macro F1",
    "micro_f1": "micro F1",
    "top3": "top-3 accuracy",
    "average_precision": "mean average precision",
    "ranking_loss": "ranking loss",
    "coverage": "coverage",
}
_MULTI_ONLY = {"micro_f1", "average_precision", "ranking_loss", "coverage"}


@dataclass(frozen=True, kw_only=True)
class Averages(Generic[Value]):
    """Over all categories: a number each for one fold, a spread each for a cross-validation."""

    accuracy: Value
    """Share of pictures of which all is right: what is asserted is what is true."""
    precision: Value
    """Macro: share of assertions that are right."""
    recall: Value
    """Macro: share of a category's pictures that it is asserted of."""
    specificity: Value
    """Macro: share of the other pictures that it is not asserted of."""
    f1: Value
    """Macro: harmonic mean of precision and recall."""
    micro_f1: Value
    """The same over all assertions at once, so that common categories weigh more."""
    top3: Value
    """Share of pictures with a true category among the three most probable of more than three."""
    average_precision: Value
    """Macro: area under the curve of precision over recall (mAP)."""
    ranking_loss: Value
    """Share of pairs of a true and another category that are in the wrong order; 0 is best."""
    coverage: Value
    """How far down the list of probabilities the last true category is, on average."""


AVERAGED = tuple(field.name for field in fields(Averages))


@dataclass(frozen=True, kw_only=True)
class CategoryScores(Generic[Value]):
    """Of one category; `support` counts its examples."""

    precision: Value
    recall: Value
    specificity: Value
    f1: Value
    average_precision: Value
    support: int


SCORED = tuple(field.name for field in fields(CategoryScores) if field.name != "support")


@dataclass(frozen=True, kw_only=True)
class Metrics(Averages[float]):
    """Of one test part. `confusion` has a row for each true category, a column for each asserted
    one; outside the diagonal it counts wrong assertions only."""

    examples: int
    categories: dict[str, CategoryScores[float]]
    confusion: list[list[int]]

    def to_json(self) -> dict[str, Any]:
        """The members as JSON has them."""
        members: dict[str, Any] = without_nan(asdict(self))
        return members

    @classmethod
    def from_json(cls, members: dict[str, Any]) -> "Metrics":
        """The metrics that `to_json` wrote."""
        categories = {
            name: CategoryScores[float](**_with_nan(scores))
            for name, scores in members["categories"].items()
        }
        return cls(**_with_nan(members) | {"categories": categories})


def measure(
    targets: Targets, probabilities: Probabilities, categories: tuple[str, ...], kind: Kind
) -> Metrics:
    """Compare what is true with what is asserted; both are (n, classes)."""
    said = asserted(probabilities, kind)
    scores = _by_category(targets, said, probabilities)
    return Metrics(
        examples=len(targets),
        **_averages(targets, said, probabilities, scores),
        categories={
            category: CategoryScores(
                **{name: float(scores[name][i]) for name in SCORED},
                support=int(targets[:, i].sum()),
            )
            for i, category in enumerate(categories)
        },
        confusion=_confusion(targets, said),
    )


def asserted(probabilities: Probabilities, kind: Kind) -> Targets:
    """What is said to be true (n, classes), before any threshold."""
    if kind == "multi":
        return probabilities >= ASSERTED_FROM
    said = np.zeros(probabilities.shape, dtype=np.bool_)
    said[np.arange(len(said)), probabilities.argmax(axis=1)] = True
    return said


def without_nan(members: Any) -> Any:
    """The members of a JSON document with null for NaN, which JSON lacks."""
    if isinstance(members, dict):
        return {name: without_nan(member) for name, member in members.items()}
    if isinstance(members, list | tuple):
        return [without_nan(member) for member in members]
    return None if isinstance(members, float) and math.isnan(members) else members


def _with_nan(members: dict[str, Any]) -> dict[str, Any]:
    return {name: math.nan if member is None else member for name, member in members.items()}


def _by_category(
    targets: Targets, said: Targets, probabilities: Probabilities
) -> dict[str, Numbers]:
    """Each (classes,), NaN where a category has no examples, or where all examples are of it."""
    right, support, said_count = (targets & said).sum(0), targets.sum(0), said.sum(0)
    others = len(targets) - support
    present = np.where(support > 0, 1.0, np.nan)
    ranked = [
        average_precision_score(targets[:, i], probabilities[:, i]) if support[i] else np.nan
        for i in range(targets.shape[1])
    ]
    return {
        "precision": _share(right, said_count),
        "recall": _share(right, support),
        "specificity": _share(others - said_count + right, others),
        "f1": _share(2 * right, support + said_count) * present,
        "average_precision": np.array(ranked),
    }


def _averages(
    targets: Targets, said: Targets, probabilities: Probabilities, scores: dict[str, Numbers]
) -> dict[str, float]:
    present = targets.any(axis=0)
    macro = {name: _mean(values[present]) for name, values in scores.items()}
    hits = 2 * (targets & said).sum()
    return macro | {
        "accuracy": float((targets == said).all(axis=1).mean()),
        "precision": _mean(np.nan_to_num(scores["precision"][present])),
        "micro_f1": float(hits / max(targets.sum() + said.sum(), 1)),
        "top3": _top3(targets, probabilities),
        "ranking_loss": float(label_ranking_loss(targets, probabilities)),
        "coverage": float(coverage_error(targets, probabilities)),
    }


def _top3(targets: Targets, probabilities: Probabilities) -> float:
    if targets.shape[1] <= 3:
        return math.nan
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :3]
    return float(np.take_along_axis(targets, best, axis=1).any(axis=1).mean())


def _confusion(targets: Targets, said: Targets) -> list[list[int]]:
    wrong = targets.T.astype(np.int64) @ (said & ~targets)
    counts: list[list[int]] = (wrong + np.diag((targets & said).sum(0))).tolist()
    return counts


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Numbers:
    shares = np.full(len(whole), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def _mean(values: Numbers) -> float:
    """Of the values that are defined, if any are."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and standard deviation (of the sample) over the folds that have the value; else NaN."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of one value a fold."""
        defined = [value for value in values if not np.isnan(value)]
        return cls(
            mean=float(np.mean(defined)) if defined else np.nan,
            deviation=float(np.std(defined, ddof=1)) if len(defined) > 1 else np.nan,
        )

    @property
    def is_defined(self) -> bool:
        """Whether any fold has the value."""
        return not np.isnan(self.mean)

    @property
    def has_deviation(self) -> bool:
        """Whether more than one fold has the value."""
        return not np.isnan(self.deviation)

    def __str__(self) -> str:
        if not self.is_defined:
            return "–"
        return f"{self.mean:.3f}" + (f" ± {self.deviation:.3f}" if self.has_deviation else "")


@dataclass(frozen=True, kw_only=True)
class Summary(Averages[Spread]):
    """Of a cross-validation; `confusion` adds up the folds: each example once."""

    kind: Kind
    folds: int
    examples: int
    majority: float
    """The accuracy of always guessing the most common category, or combination of categories."""
    categories: dict[str, CategoryScores[Spread]]
    confusion: list[list[int]]
    temperature: float
    """Fitted on the validation predictions of all folds."""
    uncalibrated: Calibration
    calibrated: Calibration
    """Of all test predictions, as trained and at the temperature."""

    def averages(self) -> dict[str, Spread]:
        """The averages that inform, by title: with one category a picture some repeat others."""
        names = [name for name in AVERAGED if self.kind == "multi" or name not in _MULTI_ONLY]
        spreads: dict[str, Spread] = {TITLES[name]: getattr(self, name) for name in names}
        return {title: spread for title, spread in spreads.items() if spread.is_defined}

    def most_mistaken(self, category: str) -> str:
        """What is most often said wrongly of this category's pictures, and of how many."""
        names = list(self.categories)
        row = names.index(category)
        counts = self.confusion[row]
        count, other = max((count, i) for i, count in enumerate(counts) if i != row)
        return f"{names[other]} ({count / self.categories[category].support:.0%})" if count else ""

    def to_json(self) -> dict[str, Any]:
        """The members as JSON has them."""
        members: dict[str, Any] = without_nan(asdict(self))
        return members
