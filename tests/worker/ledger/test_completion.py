"""The end of a job is seen by whoever closes its last chunk, or by the sweep, at no great cost."""

from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from tests.worker.ledger_rows import claim, finish
from worker import jobs
from worker.ledger import chunks, completion
from worker.ledger.completion import is_over
from worker.ledger.sweep import sweep

MOST_PAGES = 60  # that a look at a job of thousands of chunks reads

SETTLED = """
    UPDATE job_chunk
    SET state = 'done', settled_at = now(), below_threshold = cardinality(record_ids)
"""


def test_chunks_of_one_job_finish_at_the_same_time(engine: Engine, job_id: UUID) -> None:
    """Each has written a failure, which refers to the job, and its outcomes; none waits."""
    leases = [claim(engine, job_id, number) for number in (1, 2, 3)]
    finish(engine, leases[2])
    failure = text("INSERT INTO job_failure VALUES (:job_id, :record_id, 'fetch', 'not_found')")
    settled = text(
        "UPDATE job_chunk SET state = 'done', settled_at = now(), failed = 256 WHERE number = :n"
    )
    with engine.begin() as first, engine.begin() as second:
        for connection, lease in zip((first, second), leases, strict=False):
            connection.execute(text("SET LOCAL lock_timeout = '2s'"))
            chunks.lock(connection, lease)
            connection.execute(failure, {"job_id": job_id, "record_id": lease.record_ids[0]})
            connection.execute(settled, {"n": lease.number})
            assert not is_over(connection, job_id)  # the other's chunk is still open
    assert jobs.status(engine, job_id).state == "running"
    sweep(engine)
    assert jobs.status(engine, job_id).state == "done"


def test_a_job_whose_end_nobody_saw_is_closed(engine: Engine, job_id: UUID) -> None:
    with engine.begin() as connection:
        connection.execute(text(SETTLED))
    assert jobs.status(engine, job_id).state == "running"
    sweep(engine)
    assert jobs.status(engine, job_id).state == "done"


def test_a_look_costs_the_same_however_many_chunks_are_done(engine: Engine, model_id: int) -> None:
    """Nothing is vacuumed meanwhile, and Postgres' statistics know nothing of the job."""
    job_id = jobs.enqueue(engine, [f"/1/{n}" for n in range(16)]).job_id
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO job_chunk (job_id, number, record_ids)
                SELECT job_id, n, record_ids FROM job_chunk, generate_series(2, 5000) AS n
            """)
        )
    early = pages_of_a_look(engine, job_id)
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_chunk SET state = 'leased' WHERE number < 4990"))
    with engine.begin() as connection:
        connection.execute(text(f"{SETTLED} WHERE number < 4990"))
    late = pages_of_a_look(engine, job_id)
    assert max(early, late) <= MOST_PAGES


def pages_of_a_look(engine: Engine, job_id: UUID) -> int:
    explain = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {completion._IS_OVER.text}")
    with engine.connect() as connection:
        ((plan,),) = (connection.execute(explain, {"job_id": job_id}).scalar_one(),)
    return pages(plan["Plan"])


def pages(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
