"""Claims of chunks, and what becomes of those that are not finished."""

from uuid import UUID

from sqlalchemy import Engine, text

from common.reasons import Reason
from tests.worker.ledger_rows import claim, expire_leases, finish, rows, try_claim
from worker import jobs
from worker.ledger import chunks, dispatch


def test_a_chunk_is_claimed_once(engine: Engine, job_id: UUID) -> None:
    claim(engine, job_id, 1)
    assert try_claim(engine, job_id, 1) is None


def test_chunks_of_a_paused_job_are_not_claimed(engine: Engine, job_id: UUID) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE job SET state = 'paused'"))
    assert try_claim(engine, job_id, 1) is None


def test_a_chunk_given_back_with_blame_is_an_attempt(engine: Engine, job_id: UUID) -> None:
    for _ in range(dispatch.MAX_ATTEMPTS):
        lease = claim(engine, job_id, 1)
        chunks.give_back(engine, lease, blameless=False)
        assert not chunks.renew(engine, lease, lease_seconds=60)
        with engine.begin() as connection:
            swept = dispatch.sweep(connection)
    assert swept == dispatch.Sweep(returned=0, split=1, dead=0)


def test_a_chunk_given_back_is_no_attempt(engine: Engine, job_id: UUID) -> None:
    for _ in range(10):
        lease = claim(engine, job_id, 1)
        chunks.give_back(engine, lease, blameless=True)
    assert rows(engine, "SELECT state, attempt, token FROM job_chunk WHERE number = 1") == [
        ("ready", 0, 10)
    ]


def test_a_single_record_that_a_worker_was_lost_with_is_suspect(
    engine: Engine, model_id: int
) -> None:
    job = jobs.enqueue(engine, ["/1/alone"]).job_id
    first = claim(engine, job, 1)
    expire_leases(engine)
    again = claim(engine, job, 1)
    assert (first.is_suspect, again.is_suspect) == (False, True)


def test_a_chunk_that_kills_workers_is_split(engine: Engine, job_id: UUID) -> None:
    for _ in range(dispatch.MAX_ATTEMPTS):
        claim(engine, job_id, 1)
        swept = expire_leases(engine)
    assert swept == dispatch.Sweep(returned=0, split=1, dead=0)
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
    assert claims <= 3 + 3 * dispatch.MAX_ATTEMPTS + 2 * dispatch.SPLIT_INTO
    assert rows(engine, "SELECT record_id FROM job_failure") == [(poison,)]
