"""What models said of the records of a chunk, and the tallies of it, to see models drift."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from common.vision.answers.provider_names import provider_name
from common.vision.answers.tally import Tally, tallies_by
from worker.ledger.enrichments import RecordPrediction


@dataclass(frozen=True, kw_only=True)
class ModelAnswer:
    """What the one model that answers for a record says of it; the ID is the present one.

    `predictions` are the concepts that it writes, and `confidence` is that of the most probable
    concept, written or not. `is_unlike`: the picture is unlike all that the model learned from.
    `data_provider` is empty where nobody knows it.
    """

    record_id: str
    model_id: int
    data_provider: str
    confidence: float
    is_unlike: bool
    predictions: tuple[RecordPrediction, ...] = ()


def tallied(answers: Iterable[ModelAnswer]) -> dict[int, dict[str, Tally]]:
    """The tallies by model and data provider; a record counts once, whichever IDs it came under."""
    of_models: dict[int, dict[str, ModelAnswer]] = defaultdict(dict)
    for each in answers:
        of_models[each.model_id][each.record_id] = each
    return {model_id: _by_provider(said.values()) for model_id, said in of_models.items()}


def _by_provider(answers: Collection[ModelAnswer]) -> dict[str, Tally]:
    return tallies_by(
        [provider_name(each.data_provider) for each in answers],
        confidences=np.array([each.confidence for each in answers], dtype=np.float32),
        written=np.array([bool(each.predictions) for each in answers]),
        unlike=np.array([each.is_unlike for each in answers]),
    )
