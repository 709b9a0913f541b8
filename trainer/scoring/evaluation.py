"""The scores of a model on labelled pictures. This module loads no torch."""

from dataclasses import dataclass

from trainer.scoring.calibration import Calibration
from trainer.scoring.metrics import Metrics
from trainer.scoring.predictions import Share
from trainer.scoring.promise_check import CheckedPromise
from trainer.scoring.thresholds import Effect


@dataclass(frozen=True, kw_only=True)
class ModelScores:
    """What `trainer evaluate --json` prints.

    `known` counts the pictures that the model was trained on or measured by, of those that were
    scored; null if they are unknown. `left_out` has the keys of pictures by the reason. `metrics`
    ignore the thresholds of the model; `thresholds` has the effects of these. `written_precision`
    is the share of written concepts that are right, `pictures_written` counts pictures with a
    written concept, `unlike` those too different from the training pictures. A model of an older
    version has no promise to check.
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
