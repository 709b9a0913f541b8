"""What models predict of the records of a chunk: what may be written of it, and its tallies."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from common.store.tables import Outcome, PictureSource
from common.vision.answers.blocked import Blocks
from common.vision.answers.provider_names import provider_name
from common.vision.answers.tally import Tally, tallies_by


@dataclass(frozen=True, kw_only=True)
class RecordPrediction:
    """A concept seen in a picture of a record, above the model's threshold for the concept.

    `seen_at` is when the picture was looked at.
    """

    record_id: str
    concept_uri: str
    confidence: float
    source: PictureSource
    image_url: str
    seen_at: datetime

    @property
    def key(self) -> tuple[str, str]:
        return self.record_id, self.concept_uri


@dataclass(frozen=True, kw_only=True)
class PredictedRecord:
    """What the one model that answers for a record says of it; the ID is the present one.

    `predictions` are the concepts that it writes, and `confidence` is that of the most probable
    concept, written or not. `is_unlike`: it is too different from the training pictures.
    `data_provider` is empty if it is unknown.
    """

    record_id: str
    model_id: int
    data_provider: str
    confidence: float
    is_unlike: bool
    predictions: tuple[RecordPrediction, ...] = ()


def tallied(records: Iterable[PredictedRecord]) -> dict[int, dict[str, Tally]]:
    """The tallies by model and data provider; a record counts once, whichever IDs it came under."""
    of_models: dict[int, dict[str, PredictedRecord]] = defaultdict(dict)
    for each in records:
        of_models[each.model_id][each.record_id] = each
    return {model_id: _by_provider(said.values()) for model_id, said in of_models.items()}


def _by_provider(records: Collection[PredictedRecord]) -> dict[str, Tally]:
    names = {name: provider_name(name) for name in {each.data_provider for each in records}}
    return tallies_by(
        [names[each.data_provider] for each in records],
        confidences=np.array([each.confidence for each in records], dtype=np.float32),
        written=np.array([bool(each.predictions) for each in records]),
        unlike=np.array([each.is_unlike for each in records]),
    )


@dataclass(frozen=True, kw_only=True)
class Permitted:
    """A record; of its predictions some may be written, and decisions block the others."""

    record: PredictedRecord
    written: list[RecordPrediction]
    blocked: list[RecordPrediction]

    @property
    def outcome(self) -> Outcome:
        if self.written:
            return Outcome.ENRICHED
        if self.blocked:
            return Outcome.BLOCKED
        return Outcome.UNLIKE if self.record.is_unlike else Outcome.BELOW_THRESHOLD


def permitted(record: PredictedRecord, blocks: Blocks) -> Permitted:
    found = Permitted(record=record, written=[], blocked=[])
    for each in record.predictions:
        is_blocked = blocks.block(each.concept_uri, record.data_provider)
        (found.blocked if is_blocked else found.written).append(each)
    return found
