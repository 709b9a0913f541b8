"""What of a chunk's predictions may be written, and what decisions block."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.vision.answers.blocked import Blocks
from worker.ledger.enrichments import RecordPrediction
from worker.ledger.tallies import Said

Predictions = Mapping[int, list[RecordPrediction]]
"""By the number of the model."""


@dataclass(frozen=True, kw_only=True)
class Permitted:
    """Predictions that may be written, and those that are blocked as records with concepts.

    Both are by the number of the model; records have their present IDs.
    """

    predictions: Predictions
    blocked: Mapping[int, set[tuple[str, str]]]

    @property
    def enriched_records(self) -> set[str]:
        """The records of which something is written."""
        return {each.record_id for said in self.predictions.values() for each in said}

    @property
    def blocked_records(self) -> set[str]:
        """The records of which something would have been written, and nothing is."""
        found = {record_id for pairs in self.blocked.values() for record_id, _ in pairs}
        return found - self.enriched_records


def permitted(predictions: Predictions, said: Said, blocks: Blocks) -> Permitted:
    """Sort predictions by what is blocked; `said` knows the records' data providers."""
    if not blocks:
        return Permitted(predictions=predictions, blocked={})
    providers = {
        record_id: of_record.data_provider
        for of_model in said.values()
        for record_id, of_record in of_model.items()
    }
    written: dict[int, list[RecordPrediction]] = {}
    blocked: dict[int, set[tuple[str, str]]] = {}
    for model_id, of_model in predictions.items():
        written[model_id], blocked[model_id] = [], set()
        for each in of_model:
            if blocks.block(each.concept_uri, providers.get(each.record_id, "")):
                blocked[model_id].add((each.record_id, each.concept_uri))
            else:
                written[model_id].append(each)
    return Permitted(predictions=written, blocked=blocked)
