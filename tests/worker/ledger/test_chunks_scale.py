"""The small form of `benchmarks.ledger_scale`: the same work, and no bars of time."""

from sqlalchemy import Engine

from benchmarks.ledger_scale import BLOCKS, measure
from benchmarks.parts.unseen_outcomes import ENRICHED_EVERY, FAILED_EVERY, record_id
from worker import jobs

RECORDS = 20_000


def test_twenty_thousand_records_go_through_the_ledger(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, map(record_id, range(RECORDS)))
    figures = measure(engine, RECORDS)
    assert figures["settled"] == RECORDS
    assert figures["enriched"] == -(-RECORDS // ENRICHED_EVERY)
    assert figures["failed"] == RECORDS // FAILED_EVERY
    assert figures["deleted"] == RECORDS
    assert figures["processor_late_against_early"] > 0
    assert len(figures["tenths"]) == BLOCKS // 10
