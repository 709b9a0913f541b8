"""What of a chunk's predictions may be written."""

from common.vision.answers.blocked import Blocks
from tests.worker.ledger.test_finish import MAP, PAINTING, prediction, said
from worker.ledger.permitted import permitted

NOTHING = Blocks(for_all=frozenset(), by_provider={}, refusing=frozenset())
FIRST, SECOND = 1, 2
SAID = {
    FIRST: {"/1/a": said("Louvre"), "/1/b": said("Prado\n"), "/1/c": said("")},
    SECOND: {"/1/d": said("Tate")},
}
PREDICTIONS = {
    FIRST: [prediction(each, MAP) for each in ("/1/a", "/1/b", "/1/c")],
    SECOND: [prediction("/1/d", MAP), prediction("/1/a", PAINTING)],
}


def test_without_decisions_everything_may_be_written() -> None:
    allowed = permitted(PREDICTIONS, SAID, NOTHING)
    assert (allowed.predictions, allowed.blocked_records) == (PREDICTIONS, set())


def test_a_record_is_blocked_if_nothing_of_it_is_written_by_any_model() -> None:
    blocks = Blocks(
        for_all=frozenset(),
        by_provider={"Louvre": frozenset([MAP]), "Tate": frozenset([PAINTING])},
        refusing=frozenset(["Prado"]),
    )
    allowed = permitted(PREDICTIONS, SAID, blocks)
    assert allowed.blocked == {FIRST: {("/1/a", MAP), ("/1/b", MAP)}, SECOND: set()}
    assert allowed.blocked_records == {"/1/b"}
    assert allowed.enriched_records == {"/1/a", "/1/c", "/1/d"}
