"""What becomes of chunks whose workers are lost, and of jobs whose end nobody saw."""

from uuid import UUID

from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from common.reasons import Reason
from tests.worker.ledger_rows import claim, expire_leases, finish, rows, try_claim
from worker import jobs
from worker.ledger.sweep import MAX_ATTEMPTS, SPLIT_INTO, sweep


def test_a_chunk_that_kills_workers_is_split(engine: Engine, job_id: UUID) -> None:
    for _ in range(MAX_ATTEMPTS):
        claim(engine, job_id, 1)
        swept = expire_leases(engine)
    assert swept == {"split": 1}
    parts = rows(engine, "SELECT cardinality(record_ids) FROM job_chunk WHERE number > 3")
    assert parts == [(16,)] * 16
    everything = rows(
        engine, "SELECT count(DISTINCT id), count(*) FROM job_chunk, unnest(record_ids) AS id"
    )
    assert everything == [(600, 600)]
    assert try_claim(engine, job_id, 1) is None


def test_the_record_that_kills_workers_is_found_and_its_neighbours_finish(
    engine: Engine, job_id: UUID, records: list[str]
) -> None:
    poison, claims = records[123], 0
    while jobs.status(engine, job_id).state != "done":
        for number, *_ in rows(engine, "SELECT number FROM job_chunk WHERE state = 'ready'"):
            lease = claim(engine, job_id, number)
            claims += 1
            if poison not in lease.record_ids:
                finish(engine, lease)
        expire_leases(engine)
    status = jobs.status(engine, job_id)
    assert (status.below_threshold, status.failures) == (599, {Reason.KILLED_WORKER.code: 1})
    assert claims <= 3 + 3 * MAX_ATTEMPTS + 2 * SPLIT_INTO
    assert rows(engine, "SELECT record_id FROM job_failure") == [(poison,)]


def test_a_chunk_that_somebody_holds_does_not_hold_up_the_sweep(
    engine: Engine, job_id: UUID
) -> None:
    for number in (1, 2):
        claim(engine, job_id, number)
    with engine.begin() as frozen:
        frozen.execute(text("SELECT 1 FROM job_chunk WHERE number = 1 FOR UPDATE"))
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE job_chunk SET lease_until = now() - interval '1 s' WHERE number = 2")
            )
        assert sweep(engine) == {"returned": 1}


def test_the_log_names_each_chunk_whose_lease_ran_out(engine: Engine, job_id: UUID) -> None:
    claim(engine, job_id, 2)
    with capture_logs() as logs:
        expire_leases(engine)
    told = [(line["job"], line["chunk"], line["the_chunk_is"]) for line in logs]
    assert told == [(str(job_id), 2, "returned")]
