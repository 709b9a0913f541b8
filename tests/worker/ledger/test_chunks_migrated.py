"""A job that was under way when its database was migrated, and workers of the release before."""

from pathlib import Path
from uuid import UUID

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from tests.worker.ledger_rows import all_below, claim, finish_with, predicted
from worker import jobs

ALEMBIC = Config(Path(__file__).resolve().parents[3] / "alembic.ini")
CLAIMED_BEFORE_0010 = text("""
    UPDATE job_chunk SET state = 'leased', attempt = attempt + 1, token = token + 1, worker = 'old',
           lease_until = now() + interval '60 s'
    WHERE job_id = :job_id AND number = :number
""")
SETTLED_BEFORE_0010 = text("""
    UPDATE job_chunk
    SET state = 'done', lease_until = '-infinity', settled_at = now(), record_ids = record_ids,
        enriched = 0, below_threshold = cardinality(record_ids) - 1, failed = 1, read = 0
    WHERE job_id = :job_id AND number = :number
""")


def settle_as_before(engine: Engine, job_id: UUID, number: int) -> None:
    with engine.begin() as connection:
        for statement in (CLAIMED_BEFORE_0010, SETTLED_BEFORE_0010):
            connection.execute(statement, {"job_id": job_id, "number": number})


@pytest.fixture
def begun_before(engine: Engine, job_id: UUID) -> UUID:
    """The job of three chunks in a schema of the release before, with one of them settled."""
    engine.dispose()
    command.downgrade(ALEMBIC, "0009")
    settle_as_before(engine, job_id, 1)
    engine.dispose()
    command.upgrade(ALEMBIC, "head")
    return job_id


def test_a_job_that_was_begun_before_ends_with_right_counts(
    engine: Engine, begun_before: UUID
) -> None:
    settle_as_before(engine, begun_before, 2)  # by a worker of the release before
    lease = claim(engine, begun_before, 3)
    outcome = all_below(lease)
    for each in lease.record_ids[:5]:
        outcome.predicted[each] = predicted(lease, each, is_unlike=True)
    assert finish_with(engine, lease, outcome)
    status = jobs.status(engine, begun_before)
    assert (status.state, status.waiting, status.settled) == ("done", 0, 600)
    assert (status.unlike, status.failed, status.below_threshold) == (5, 2, 593)
    (drift,) = jobs.drift_of_job(engine, begun_before)
    assert drift.of_all.now.unlike == 5


def test_on_the_way_down_no_record_loses_its_outcome(engine: Engine, begun_before: UUID) -> None:
    lease = claim(engine, begun_before, 2)
    outcome = all_below(lease)
    for each in lease.record_ids[:5]:
        outcome.predicted[each] = predicted(lease, each, is_unlike=True)
    finish_with(engine, lease, outcome)
    with engine.begin() as connection:
        blocked = "SET blocked = 7, below_threshold = below_threshold - 7 WHERE number = 2"
        connection.execute(text(f"UPDATE job_chunk {blocked}"))
    engine.dispose()
    command.downgrade(ALEMBIC, "0009")
    with engine.connect() as connection:
        counted = text("SELECT below_threshold, failed FROM job_chunk WHERE number = 2")
        assert tuple(connection.execute(counted).one()) == (256, 0)
