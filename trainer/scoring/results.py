"""The results of a cross-validation: what its folds found, as mean and deviation."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from common.vision.model import Kind
from trainer.scoring.calibration import Calibration
from trainer.scoring.metrics import AVERAGED, Averages, CategoryScores, without_nan

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
