"""What of a chunk's predictions may be written."""

from common.vision.answers.blocked import Blocks
from tests.worker.ledger.test_finish import MAP, PAINTING, prediction
from worker.ledger.predictions import PredictedRecord, permitted

NOTHING = Blocks(for_all=frozenset(), by_provider={}, refusing=frozenset())
BLOCKS = Blocks(
    for_all=frozenset(), by_provider={"Louvre": frozenset([MAP])}, refusing=frozenset(["Prado"])
)


def said(provider: str, *concepts: str) -> PredictedRecord:
    return PredictedRecord(
        record_id="/1/a",
        model_id=1,
        data_provider=provider,
        confidence=0.5,
        is_unlike=False,
        predictions=tuple(prediction("/1/a", each) for each in concepts),
    )


def test_without_decisions_everything_may_be_written() -> None:
    allowed = permitted(said("Louvre", MAP, PAINTING), NOTHING)
    assert [each.concept_uri for each in allowed.written] == [MAP, PAINTING]
    assert allowed.blocked == []


def test_a_record_is_blocked_if_nothing_of_it_is_written() -> None:
    some, none, refused, other, silent = (
        permitted(each, BLOCKS)
        for each in (
            said("Louvre", MAP, PAINTING),
            said("Louvre", MAP),
            said("Prado\n", PAINTING),
            said("", MAP),
            said("Prado"),
        )
    )
    assert [each.concept_uri for each in some.blocked] == [MAP]
    assert [each.concept_uri for each in some.written] == [PAINTING]
    outcomes = [each.outcome for each in (some, none, refused, other, silent)]
    assert outcomes == ["enriched", "blocked", "blocked", "enriched", "below_threshold"]
