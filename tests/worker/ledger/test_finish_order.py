"""Who changes counts of a job locks them in one order, so that nobody waits in a circle."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.errors import RecordError, TransientRecordError
from common.reasons import Reason
from common.store.tables.triggers import PARTS
from tests.waiting import wait_for
from tests.worker.ledger_rows import claim, expire_leases, finish, finish_with, predicted, rows
from worker import jobs
from worker.ledger.finish import ChunkResults
from worker.ledger.sweep import MAX_ATTEMPTS

REASONS = ("not_found", Reason.KILLED_WORKER.code)
_COUNTS_THAT_ARE_THERE = text(f"""
    INSERT INTO job_failure_count (job_id, reason, part, records)
    SELECT :job_id, reason, part, 0
    FROM unnest(CAST(:reasons AS text[])) AS reason, generate_series(0, {PARTS - 1}) AS part
    ON CONFLICT DO NOTHING
""")
_OUTCOMES_THAT_ARE_THERE = text(f"""
    INSERT INTO job_outcomes
        (job_id, part, enriched, unlike, below_threshold, blocked, failed, read, put_off)
    SELECT :job_id, part, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(0, {PARTS - 1}) AS part
    ON CONFLICT DO NOTHING
""")
_FAILURES = text("SELECT 1 FROM job_failure_count WHERE job_id = :job_id FOR UPDATE")
_OUTCOMES = text("SELECT 1 FROM job_outcomes WHERE job_id = :job_id FOR UPDATE NOWAIT")
_FREE_JOB = text("SELECT 1 FROM job WHERE id = :job_id FOR NO KEY UPDATE SKIP LOCKED")
_WAITS = text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
""")


def finish_all_ways(engine: Engine, job_id: UUID) -> Callable[[], object]:
    """A chunk of which one record failed, and another one is put off."""
    lease = claim(engine, job_id, 1)
    failed, later, *rest = lease.record_ids
    outcome = ChunkResults(
        predicted={each: predicted(lease, each) for each in rest},
        errors={
            failed: RecordError("fetch", REASONS[0]),
            later: TransientRecordError("fetch", "timeout"),
        },
    )
    return lambda: finish_with(engine, lease, outcome)


def retry(engine: Engine, job_id: UUID) -> Callable[[], object]:
    lease = claim(engine, job_id, 1)
    finish(engine, lease, {lease.record_ids[0]: REASONS[0]})
    return lambda: jobs.retry(engine, job_id)


def bury(engine: Engine, job_id: UUID) -> Callable[[], object]:
    """A chunk of one record that ended its workers."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_chunk SET record_ids = ARRAY[record_ids[1]]"))
    for _ in range(MAX_ATTEMPTS - 1):
        claim(engine, job_id, 1)
        expire_leases(engine)
    claim(engine, job_id, 1)
    return lambda: expire_leases(engine)


@pytest.mark.parametrize(
    ("prepare", "changes_job"), [(finish_all_ways, True), (retry, True), (bury, False)]
)
def test_the_job_comes_first_then_failures_then_outcomes(
    engine: Engine,
    job_id: UUID,
    prepare: Callable[[Engine, UUID], Callable[[], object]],
    changes_job: bool,
) -> None:
    change = prepare(engine, job_id)
    asked = {"job_id": job_id}
    with engine.begin() as connection:
        connection.execute(_COUNTS_THAT_ARE_THERE, asked | {"reasons": list(REASONS)})
        connection.execute(_OUTCOMES_THAT_ARE_THERE, asked)
    with engine.begin() as other:
        other.execute(_FAILURES, asked)
        changing = threading.Thread(target=change)
        changing.start()
        wait_for(lambda: other.execute(_WAITS).scalar_one())
        job_is_free = other.execute(_FREE_JOB, asked).first() is not None
        other.execute(_OUTCOMES, asked)  # else each would wait for the other
    changing.join(timeout=10)
    assert job_is_free is not changes_job
    assert not changing.is_alive()
    assert rows(engine, "SELECT sum(records) FROM job_failure_count") == rows(
        engine, "SELECT count(*) FROM job_failure"
    )
