"""What an evaluation found: the scores of a model on labelled pictures, as tables and as JSON."""

from collections.abc import Sized
from dataclasses import dataclass

import numpy as np

from common.process.terminal.listing import Listing
from trainer.data.dataset import LeftOut
from trainer.scoring.calibration import Calibration
from trainer.scoring.metrics import Metrics
from trainer.scoring.predictions import Share
from trainer.scoring.promise_check import CheckedPromise, PromiseCheck
from trainer.scoring.thresholds import Effect


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The scores of a model on some data.

    `metrics` ignore the thresholds; `effects` are those of the thresholds. A model of an older
    version has no promise to check.
    """

    source: str
    left_out: tuple[LeftOut, ...]
    metrics: Metrics
    calibration: Calibration
    effects: dict[str, Effect]
    written_precision: float
    """The share of written concepts that are right."""
    pictures_written: int
    """Pictures with at least one written concept."""
    unlike: int
    """Pictures that are unlike all that the model learned from."""
    promise_check: PromiseCheck | None

    def averages(self) -> Listing:
        metrics = self.metrics
        listing = Listing("metric", "value", numbers=["value"])
        numbers = {
            "accuracy": metrics.accuracy,
            "top-3 accuracy": metrics.top3,
            "macro precision": metrics.precision,
            "macro recall": metrics.recall,
            "macro F1": metrics.f1,
            "calibration error": self.calibration.error,
            "precision of what is written": self.written_precision,
            "pictures with a concept": self.pictures_written / metrics.examples,
        }
        for name, value in numbers.items():
            listing.add(name, _number(value))
        return listing

    def categories(self) -> Listing:
        numbers = ("examples", "precision", "recall", "F1")
        listing = Listing("category", *numbers, numbers=numbers, texts=["category"])
        for label, each in self.metrics.categories.items():
            scores = (_number(each.precision), _number(each.recall), _number(each.f1))
            listing.add(label, f"{each.support:,}", *scores)
        return listing


@dataclass(frozen=True, kw_only=True)
class ModelScores:
    """What `trainer evaluate --json` prints.

    `known` counts the pictures that the model was trained on or measured by, of those that were
    scored; null where nobody noted them. `left_out` has the keys of pictures by the reason.
    `metrics` ignore the thresholds of the model, `thresholds` tell what these do.
    """

    model: str
    data: str
    examples: int
    known: int | None
    left_out: dict[str, tuple[str, ...]]
    metrics: Metrics
    calibration: Calibration
    thresholds: dict[str, Effect]
    written_precision: Share
    pictures_written: int
    unlike: int
    promise: CheckedPromise | None

    @classmethod
    def of(cls, found: Evaluation, *, model: str, known: Sized | None) -> "ModelScores":
        """The scores of a model, and the keys of the pictures that it knows."""
        return cls(
            model=model,
            data=found.source,
            examples=found.metrics.examples,
            known=None if known is None else len(known),
            left_out={part.reason: part.keys for part in found.left_out},
            metrics=found.metrics,
            calibration=found.calibration,
            thresholds=found.effects,
            written_precision=found.written_precision,
            pictures_written=found.pictures_written,
            unlike=found.unlike,
            promise=found.promise_check.summary() if found.promise_check else None,
        )


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"
