"""An urgent job begins with small chunks, a bulk job does not."""

import pytest
from sqlalchemy import Engine, text

from common.store.tables import Priority
from worker import jobs
from worker.jobs import JobOptions
from worker.ledger.cutting import count_chunks


@pytest.mark.parametrize(
    ("records", "priority", "sizes"),
    [
        (20, Priority.URGENT, [16, 4]),
        (256, Priority.URGENT, [16] * 16),
        (600, Priority.URGENT, [16] * 16 + [256, 88]),
        (600, Priority.BULK, [256, 256, 88]),
    ],
)
def test_sizes_of_chunks(
    engine: Engine, model_id: int, records: int, priority: Priority, sizes: list[int]
) -> None:
    jobs.enqueue(engine, [f"/1/{n}" for n in range(records)], JobOptions(priority=priority))
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT cardinality(record_ids) FROM job_chunk ORDER BY number")
        )
        assert list(found.scalars()) == sizes
    assert count_chunks(records, priority) == len(sizes)
