"""Metrics: how good predictions are, for one fold and for all folds together.

Undefined values are NaN here and null in JSON. A macro average is the mean over the categories with
examples in the test part; each has the same weight. A category that is never predicted has no
precision. It counts as 0 in the macro average, so a model cannot gain by ignoring a category.
A cross-validation has the mean and the standard deviation over its folds.

sklearn is loaded only to measure: commands that only show metrics do not need it.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from common.vision.kinds import Kind
from trainer.scoring.calibration import Calibration
from trainer.scoring.predictions import Numbers, Probabilities, Share, Targets, asserted

Value = TypeVar("Value")
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
MEANINGS = {
    "accuracy": "share of pictures whose predicted categories are exactly the true ones",
    "macro precision": "share of the predictions of a category that are correct",
    "macro recall": "share of a category's pictures that are found",
    "macro specificity": "share of the other pictures that do not get the category",
    "macro F1": "precision and recall in one number; every category counts the same",
    "micro F1": "precision and recall in one number; common categories count more",
    "top-3 accuracy": "a correct category is among the three most probable",
    "mean average precision": "precision averaged over all levels of recall",
    "ranking loss": "how often a wrong category comes before a correct one; 0 is best",
    "coverage": "how many of the most probable categories you need to include all true categories",
}
_MULTI_ONLY = {"micro_f1", "average_precision", "ranking_loss", "coverage"}


def members_of(value: object) -> dict[str, Any]:
    """The members as in JSON; NaN becomes None."""
    members: dict[str, Any] = json.loads(to_json(value, inf_nan_mode="null"))
    return members


class Averages(BaseModel, Generic[Value]):
    """Numbers for one fold, spreads for a cross-validation; MEANINGS explains them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy: Value
    precision: Value
    recall: Value
    specificity: Value
    f1: Value
    micro_f1: Value
    top3: Value
    average_precision: Value
    ranking_loss: Value
    coverage: Value


AVERAGED = tuple(Averages.model_fields)


class CategoryScores(BaseModel, Generic[Value]):
    """The scores of one category; `support` counts its examples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: Value
    recall: Value
    specificity: Value
    f1: Value
    average_precision: Value
    support: int


SCORED = tuple(name for name in CategoryScores.model_fields if name != "support")


class CategoryMetrics(CategoryScores[Share]):
    """The scores of one category in one fold; a class with a name, so that it can be pickled."""


class Metrics(Averages[Share]):
    """The metrics of one test part.

    `confusion` has a row for each true category and a column for each predicted one. Outside the
    diagonal it counts only wrong predictions.
    """

    examples: int
    categories: dict[str, CategoryMetrics]
    confusion: list[list[int]]


def measure(
    targets: Targets, probabilities: Probabilities, categories: tuple[str, ...], kind: Kind
) -> Metrics:
    """Compare true categories with predicted ones; both are (n, classes)."""
    predicted = asserted(probabilities, kind)
    scores = _by_category(targets, predicted, probabilities)
    return Metrics(
        examples=len(targets),
        **_averages(targets, predicted, probabilities, scores),
        categories={
            category: CategoryMetrics(
                **{name: float(scores[name][i]) for name in SCORED},
                support=int(targets[:, i].sum()),
            )
            for i, category in enumerate(categories)
        },
        confusion=_confusion(targets, predicted),
    )


def _by_category(
    targets: Targets, predicted: Targets, probabilities: Probabilities
) -> dict[str, Numbers]:
    """Scores (classes,), NaN where a category has no examples, or where all examples have it."""
    from sklearn.metrics import (
        average_precision_score,
        precision_recall_fscore_support,
        recall_score,
    )

    present = targets.sum(axis=0) > 0
    precision, recall, f1, _ = precision_recall_fscore_support(
        targets, predicted, average=None, zero_division=np.nan
    )
    ranked = [
        average_precision_score(targets[:, i], probabilities[:, i]) if present[i] else np.nan
        for i in range(targets.shape[1])
    ]
    return {
        "precision": precision,
        "recall": recall,
        "specificity": recall_score(~targets, ~predicted, average=None, zero_division=np.nan),
        "f1": np.where(present, f1, np.nan),
        "average_precision": np.array(ranked),
    }


def _averages(
    targets: Targets, predicted: Targets, probabilities: Probabilities, scores: dict[str, Numbers]
) -> dict[str, float]:
    from sklearn.metrics import (
        accuracy_score,
        coverage_error,
        f1_score,
        label_ranking_loss,
        precision_recall_fscore_support,
    )

    present = np.flatnonzero(targets.any(axis=0))
    precision, recall, f1, _ = precision_recall_fscore_support(
        targets, predicted, labels=present, average="macro", zero_division=0.0
    )
    return {
        "accuracy": float(accuracy_score(targets, predicted)),
        "precision": float(precision),
        "recall": float(recall),
        "specificity": _mean(scores["specificity"][present]),
        "f1": float(f1),
        "micro_f1": float(f1_score(targets, predicted, average="micro", zero_division=0.0)),
        "top3": _top3(targets, probabilities),
        "average_precision": _mean(scores["average_precision"][present]),
        "ranking_loss": float(label_ranking_loss(targets, probabilities)),
        "coverage": float(coverage_error(targets, probabilities)),
    }


def _top3(targets: Targets, probabilities: Probabilities) -> float:
    if targets.shape[1] <= 3:
        return math.nan
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :3]
    return float(np.take_along_axis(targets, best, axis=1).any(axis=1).mean())


def _confusion(targets: Targets, predicted: Targets) -> list[list[int]]:
    wrong = targets.T.astype(np.int64) @ (predicted & ~targets)
    counts: list[list[int]] = (wrong + np.diag((targets & predicted).sum(0))).tolist()
    return counts


def _mean(values: Numbers) -> float:
    """The mean of the defined values; NaN if there are none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and sample standard deviation over the folds that define a value; NaN if none does."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        defined = [value for value in values if not np.isnan(value)]
        return cls(
            mean=float(np.mean(defined)) if defined else np.nan,
            deviation=float(np.std(defined, ddof=1)) if len(defined) > 1 else np.nan,
        )

    @property
    def has_deviation(self) -> bool:
        return not math.isnan(self.deviation)

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return "–"
        return f"{self.mean:.3f}" + (f" ± {self.deviation:.3f}" if self.has_deviation else "")


class Summary(Averages[Spread]):
    """The summary of a cross-validation; `confusion` is the sum over the folds."""

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
    """The calibration of all test predictions, as trained and at the temperature."""

    def averages(self) -> dict[str, Spread]:
        """The averages by title, without those that repeat others if the kind is single."""
        names = [name for name in AVERAGED if self.kind == "multi" or name not in _MULTI_ONLY]
        spreads: dict[str, Spread] = {TITLES[name]: getattr(self, name) for name in names}
        return {title: spread for title, spread in spreads.items() if not math.isnan(spread.mean)}

    def most_mistaken(self, category: str) -> str:
        """The wrong category most often asserted for this one's pictures, with their share."""
        names = list(self.categories)
        row = names.index(category)
        counts = self.confusion[row]
        count, other = max((count, i) for i, count in enumerate(counts) if i != row)
        return f"{names[other]} ({count / self.categories[category].support:.0%})" if count else ""
