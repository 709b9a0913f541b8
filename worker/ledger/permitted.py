"""What of an answer may be written, and what decisions block."""

from dataclasses import dataclass
from typing import Literal

from common.vision.answers.blocked import Blocks
from worker.ledger.answers import ModelAnswer
from worker.ledger.enrichments import RecordPrediction


@dataclass(frozen=True, kw_only=True)
class Permitted:
    """An answer; of its predictions some may be written, and decisions block the others."""

    answer: ModelAnswer
    written: list[RecordPrediction]
    blocked: list[RecordPrediction]

    @property
    def outcome(self) -> Literal["enriched", "unlike", "below_threshold", "blocked"]:
        if self.written:
            return "enriched"
        if self.blocked:
            return "blocked"
        return "unlike" if self.answer.is_unlike else "below_threshold"


def permitted(answer: ModelAnswer, blocks: Blocks) -> Permitted:
    found = Permitted(answer=answer, written=[], blocked=[])
    for each in answer.predictions:
        is_blocked = blocks.block(each.concept_uri, answer.data_provider)
        (found.blocked if is_blocked else found.written).append(each)
    return found
