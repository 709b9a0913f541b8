"""Claims of chunks, and what becomes of those that are given back."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from sqlalchemy import Engine, text

from common.errors import TransientRecordError
from common.store.tables import Priority
from tests.worker.ledger_rows import claim, expire_leases, finish_with, rows, try_claim
from worker import jobs
from worker.jobs import JobOptions
from worker.ledger import chunks
from worker.ledger.finish import ChunkResults
from worker.ledger.sweep import MAX_ATTEMPTS, sweep


def test_a_chunk_is_claimed_once(engine: Engine, job_id: UUID) -> None:
    claim(engine, job_id, 1)
    assert try_claim(engine, job_id, 1) is None


ASKED = {
    "worker": "test",
    "lease_seconds": 60,
    "put_off": False,
    "priority": "urgent",
    "in_work": [],
    "served": [],
}


def ask(
    engine: Engine,
    *,
    put_off: bool = False,
    priority: Priority = Priority.URGENT,
    in_work: Sequence[UUID] = (),
    served: Sequence[UUID] = (),
) -> UUID | None:
    """The job of the chunk that a worker gets; none if there is nothing."""
    lease = chunks.claim(
        engine,
        worker="test",
        lease_seconds=60,
        put_off=put_off,
        priority=priority,
        in_work=in_work,
        served=served,
    )
    return lease and lease.job_id


def enqueue(engine: Engine, prefix: str, **options: str) -> UUID:
    ids = [f"/{prefix}/{n}" for n in range(300)]
    return jobs.enqueue(engine, ids, JobOptions(**options)).job_id  # type: ignore[arg-type]


def put_off(engine: Engine, prefix: str, *, reason: str = "host_slow", **options: str) -> UUID:
    """A job of one chunk, all of which is put off."""
    asked = JobOptions(**options)  # type: ignore[arg-type]
    job_id = jobs.enqueue(engine, [f"/{prefix}/{n}" for n in range(5)], asked).job_id
    lease = claim(engine, job_id, 1)
    errors = {each: TransientRecordError("fetch", reason) for each in lease.record_ids}
    finish_with(engine, lease, ChunkResults(errors=dict(errors)))
    return job_id


def test_the_chunks_of_a_job_come_in_order(engine: Engine, job_id: UUID) -> None:
    leases = [chunks.claim(engine, worker="test", lease_seconds=60) for _ in range(4)]
    assert [lease and lease.number for lease in leases] == [1, 2, 3, None]


def test_an_urgent_job_comes_first_unless_it_is_the_turn_of_bulk(
    engine: Engine, model_id: int
) -> None:
    bulk, urgent = enqueue(engine, "b"), enqueue(engine, "u", priority="urgent")
    assert ask(engine) == urgent
    assert ask(engine, priority=Priority.BULK) == bulk


def test_the_other_priority_comes_if_there_is_none_of_the_first(
    engine: Engine, model_id: int
) -> None:
    urgent = enqueue(engine, "u", priority="urgent")
    assert ask(engine, priority=Priority.BULK) == urgent


def test_the_job_with_fewest_chunks_in_work_comes_first_then_who_waits_longest(
    engine: Engine, model_id: int
) -> None:
    first, second, third = (enqueue(engine, prefix) for prefix in "abc")
    assert ask(engine) == first
    assert ask(engine, in_work=[first, second], served=[third]) == third
    assert ask(engine, served=[first]) == second
    assert ask(engine, served=[second, third, first]) == second


def test_a_put_off_chunk_is_for_places_of_its_own(engine: Engine, model_id: int) -> None:
    waiting = put_off(engine, "a")
    assert ask(engine) is None
    assert ask(engine, put_off=True) == waiting
    fresh = enqueue(engine, "b")
    assert ask(engine, put_off=True) is None
    assert ask(engine) == fresh


def test_a_chunk_that_is_not_due_is_left_alone(engine: Engine, model_id: int) -> None:
    put_off(engine, "a", reason="timeout")  # in a minute
    assert ask(engine, put_off=True) is None


def test_workers_that_ask_at_once_never_get_the_same_chunk(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, [f"/1/{n}" for n in range(256 * 12)])
    with ThreadPoolExecutor(6) as pool:
        leases = list(
            pool.map(lambda _: chunks.claim(engine, worker="w", lease_seconds=60), range(12))
        )
    assert sorted(lease.number for lease in leases if lease) == list(range(1, 13))


def test_one_row_is_locked_however_many_jobs_wait(engine: Engine, model_id: int) -> None:
    first, second = enqueue(engine, "a"), enqueue(engine, "b")
    with engine.begin() as connection:
        held = connection.execute(chunks._CLAIM, ASKED).one()
        assert held.job_id == first
        free = "SELECT job_id, number FROM job_chunk WHERE state = 'ready' FOR UPDATE SKIP LOCKED"
        assert set(rows(engine, free)) == {(first, 2), (second, 1), (second, 2)}


def test_chunks_of_a_paused_job_are_not_claimed(engine: Engine, job_id: UUID) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE job SET state = 'paused'"))
    assert try_claim(engine, job_id, 1) is None


def test_a_chunk_given_back_with_blame_is_an_attempt(engine: Engine, job_id: UUID) -> None:
    for _ in range(MAX_ATTEMPTS):
        lease = claim(engine, job_id, 1)
        chunks.give_back(engine, lease, blameless=False)
        assert not chunks.renew(engine, lease, lease_seconds=60)
        swept = sweep(engine)
    assert swept == {"split": 1}


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
