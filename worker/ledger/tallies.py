"""What models said of the records of a chunk, in short: for outcomes, and to see them drift."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from common.vision.answers.provider_names import provider_name
from common.vision.answers.tally import Tally, tallies_by


@dataclass(frozen=True, kw_only=True)
class RecordSaid:
    """What a model said of a record: how sure it is, whether it writes a concept, and whether it
    calls the picture unlike all that it learned from.

    `data_provider` is empty where nobody knows it.
    """

    data_provider: str
    confidence: float
    is_written: bool
    is_unlike: bool


Said = Mapping[int, Mapping[str, RecordSaid]]
"""By the number of the model, and by the record's present ID."""


def unlike_to_all(said: Said) -> set[str]:
    """The records whose pictures every model that answers for them calls unlike all it knows."""
    strange = {
        is_unlike: {
            record_id
            for of_model in said.values()
            for record_id, of_record in of_model.items()
            if of_record.is_unlike is is_unlike
        }
        for is_unlike in (True, False)
    }
    return strange[True] - strange[False]


def tallied(said: Said) -> dict[int, dict[str, Tally]]:
    """Of each model that said anything the tallies by data provider."""
    return {model_id: _by_provider(of_model) for model_id, of_model in said.items() if of_model}


def _by_provider(of_model: Mapping[str, RecordSaid]) -> dict[str, Tally]:
    records = of_model.values()
    return tallies_by(
        [provider_name(each.data_provider) for each in records],
        confidences=np.array([each.confidence for each in records], dtype=np.float32),
        written=np.array([each.is_written for each in records]),
        unlike=np.array([each.is_unlike for each in records]),
    )
