"""Claims of chunks, and what becomes of those that are not finished."""

from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.reasons import Reason
from worker import jobs
from worker.ledger import chunks, dispatch
from worker.ledger import finish as finishing
from worker.ledger.chunks import Lease
from worker.ledger.finish import ChunkOutcome

DELAYS = (60.0, 600.0)


@pytest.fixture
def job_id(engine: Engine, model_id: int, records: list[str]) -> UUID:
    return jobs.enqueue(engine, records).job_id


def claim(engine: Engine, job_id: UUID, number: int, lease_seconds: float = 60) -> Lease | None:
    return chunks.claim(
        engine, job_id=job_id, number=number, worker="test", lease_seconds=lease_seconds
    )


def expire_leases(engine: Engine) -> dispatch.Sweep:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE job_chunk SET lease_until = now() - interval '1 s' WHERE state = 'leased'")
        )
        return dispatch.sweep(connection)


def rows(engine: Engine, query: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def all_below(lease: Lease) -> ChunkOutcome:
    return ChunkOutcome(classified={record_id: record_id for record_id in lease.record_ids})


def finish(engine: Engine, lease: Lease, outcome: ChunkOutcome | None = None) -> bool:
    return finishing.finish(engine, lease, outcome or all_below(lease), retry_delays=DELAYS)


def test_a_chunk_is_claimed_once(engine: Engine, job_id: UUID) -> None:
    assert claim(engine, job_id, 1) is not None
    assert claim(engine, job_id, 1) is None


def test_chunks_of_a_paused_job_are_not_claimed(engine: Engine, job_id: UUID) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE job SET state = 'paused'"))
    assert claim(engine, job_id, 1) is None


def test_a_chunk_given_back_with_blame_is_an_attempt(engine: Engine, job_id: UUID) -> None:
    for _ in range(dispatch.MAX_ATTEMPTS):
        lease = claim(engine, job_id, 1)
        assert lease is not None
        chunks.give_back(engine, lease, blameless=False)
        assert not chunks.renew(engine, lease, lease_seconds=60)
        with engine.begin() as connection:
            swept = dispatch.sweep(connection)
    assert swept == dispatch.Sweep(returned=0, split=1, dead=0)


def test_a_chunk_given_back_is_no_attempt(engine: Engine, job_id: UUID) -> None:
    for _ in range(10):
        lease = claim(engine, job_id, 1)
        assert lease is not None
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
    assert first is not None
    assert again is not None
    assert (first.is_suspect, again.is_suspect) == (False, True)


def test_a_chunk_that_kills_workers_is_split(engine: Engine, job_id: UUID) -> None:
    for _ in range(dispatch.MAX_ATTEMPTS):
        assert claim(engine, job_id, 1) is not None
        swept = expire_leases(engine)
    assert swept == dispatch.Sweep(returned=0, split=1, dead=0)
    parts = rows(engine, "SELECT cardinality(record_ids) FROM job_chunk WHERE number > 3")
    assert parts == [(16,)] * 16
    everything = rows(
        engine, "SELECT count(DISTINCT id), count(*) FROM job_chunk, unnest(record_ids) AS id"
    )
    assert everything == [(600, 600)]
    assert claim(engine, job_id, 1) is None


def test_the_record_that_kills_workers_is_found_and_its_neighbours_finish(
    engine: Engine, job_id: UUID, records: list[str]
) -> None:
    poison, claims = records[123], 0
    while jobs.status(engine, job_id).state != "done":
        for number, *_ in rows(engine, "SELECT number FROM job_chunk WHERE state = 'ready'"):
            lease = claim(engine, job_id, number)
            assert lease is not None
            claims += 1
            if poison not in lease.record_ids:
                finish(engine, lease)
        expire_leases(engine)
    status = jobs.status(engine, job_id)
    assert (status.below_threshold, status.failures) == (599, {Reason.KILLED_WORKER.code: 1})
    assert claims <= 3 + 3 * dispatch.MAX_ATTEMPTS + 2 * dispatch.SPLIT_INTO
    assert rows(engine, "SELECT record_id FROM job_failure") == [(poison,)]
