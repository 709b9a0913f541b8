"""Chunks that were put off: no hint for them, and threads of their own."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import Engine

from common.errors import TransientRecordError
from tests.worker.ledger_rows import claim
from worker import jobs
from worker.jobs import JobOptions
from worker.ledger import chunks, dispatch
from worker.ledger import finish as finishing
from worker.ledger.chunks import Lease
from worker.ledger.dispatch import WaitingRoom
from worker.ledger.finish import ChunkOutcome

DELAYS = (60.0,)
INTERVAL = 0.02  # seconds


@pytest.fixture
def job_id(engine: Engine, model_id: int) -> UUID:
    return put_off_job(engine, "a")


def put_off_job(engine: Engine, prefix: str, *, reason: str = "host_slow", **options: str) -> UUID:
    """A job of one chunk, all of which is put off."""
    asked = JobOptions(**options)  # type: ignore[arg-type]
    job_id = jobs.enqueue(engine, [f"/{prefix}/{n}" for n in range(5)], asked).job_id
    lease = claim(engine, job_id, 1)
    errors = {each: TransientRecordError("fetch", reason) for each in lease.record_ids}
    finishing.finish(engine, lease, ChunkOutcome(errors=dict(errors)), retry_delays=DELAYS)
    return job_id


def claim_put_off(engine: Engine) -> Lease | None:
    return chunks.claim_put_off(engine, worker="test", lease_seconds=60)


def test_a_put_off_chunk_is_taken_without_a_hint(engine: Engine, job_id: UUID) -> None:
    with engine.begin() as connection:
        assert dispatch.choose(connection, hint_seconds=60) == []
    lease = claim_put_off(engine)
    assert lease is not None
    assert (lease.job_id, len(lease.record_ids), lease.is_put_off) == (job_id, 5, True)
    assert claim_put_off(engine) is None


def test_fresh_chunks_are_hinted_at_and_not_taken(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, ["/1/a"])
    assert claim_put_off(engine) is None
    with engine.begin() as connection:
        assert len(dispatch.choose(connection, hint_seconds=60)) == 1


def test_put_off_chunks_in_work_leave_the_window_as_it_is(engine: Engine, job_id: UUID) -> None:
    assert claim_put_off(engine)
    jobs.enqueue(engine, [f"/b/{n}" for n in range(256 * 20)])
    with engine.begin() as connection:
        hints = dispatch.choose(connection, hint_seconds=60)
    assert len(hints) == dispatch.SPARE_HINTS


def test_a_chunk_that_is_not_due_or_of_a_paused_job_is_left_alone(
    engine: Engine, model_id: int
) -> None:
    put_off_job(engine, "a", reason="timeout")  # in a minute
    jobs.pause(engine, put_off_job(engine, "b"))
    assert claim_put_off(engine) is None


def test_the_urgent_and_then_the_longest_due_come_first(engine: Engine, model_id: int) -> None:
    first, second = put_off_job(engine, "a"), put_off_job(engine, "b")
    urgent = put_off_job(engine, "c", priority="urgent")
    taken = [claim_put_off(engine) for _ in range(3)]
    assert [lease and lease.job_id for lease in taken] == [urgent, first, second]


def test_two_workers_never_take_the_same_chunk(engine: Engine, model_id: int) -> None:
    waiting = {put_off_job(engine, f"m{n}") for n in range(6)}
    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(lambda _: claim_put_off(engine), range(6)))
    found = [lease.job_id for lease in taken if lease]
    assert len(found) == len(set(found))
    while lease := claim_put_off(engine):
        found.append(lease.job_id)
    assert sorted(found) == sorted(waiting)


class Office:
    """Gives out leases and has them worked on until `close`."""

    def __init__(self, leases: int) -> None:
        self.leases = [lease(number) for number in range(leases)]
        self.in_work = 0
        self.done = 0
        self.closed = threading.Event()
        self._lock = threading.Lock()

    def claim(self) -> Lease | None:
        return self.leases.pop() if self.leases else None

    def work_on(self, _: Lease) -> None:
        with self._lock:
            self.in_work += 1
        self.closed.wait(10)
        with self._lock:
            self.in_work -= 1
            self.done += 1


def lease(number: int) -> Lease:
    return Lease(
        job_id=UUID(int=0),
        number=number,
        token=1,
        retries=1,
        model_ids=(1,),
        picture="auto",
        record_ids=("/1/a",),
        claimed_at=datetime(2026, 11, 25, tzinfo=UTC),
    )


@pytest.fixture
def office() -> Iterator[Office]:
    office = Office(leases=5)
    yield office
    office.closed.set()


def wait_for(office: Office, **expected: int) -> None:
    deadline = time.monotonic() + 10
    while any(getattr(office, name) != value for name, value in expected.items()):
        assert time.monotonic() < deadline, vars(office)
        time.sleep(0.01)


def test_as_many_chunks_wait_at_a_time_as_there_are_places(office: Office) -> None:
    room = WaitingRoom(office.claim, office.work_on, places=2, interval=INTERVAL)
    room.run_once()
    room.run_once()
    wait_for(office, in_work=2)
    assert len(office.leases) == 3
    room.start()
    office.closed.set()
    wait_for(office, done=5)
    room.stop()


def test_stopping_waits_for_the_chunks_in_work_and_takes_no_more(office: Office) -> None:
    room = WaitingRoom(office.claim, office.work_on, places=1, interval=INTERVAL)
    room.start()
    wait_for(office, in_work=1)
    stopping = threading.Thread(target=room.stop)
    stopping.start()
    assert room.stopping.wait(10)
    assert stopping.is_alive()
    office.closed.set()
    stopping.join()
    assert (office.done, len(office.leases)) == (1, 4)


def test_the_room_outlives_whatever_a_claim_raises(office: Office) -> None:
    claims: list[int] = []

    def claim_at_last() -> Lease | None:
        claims.append(1)
        if len(claims) < 3:
            raise ValueError("no such luck")
        return office.claim()

    room = WaitingRoom(claim_at_last, office.work_on, places=1, interval=INTERVAL)
    room.start()
    wait_for(office, in_work=1)
    office.closed.set()
    room.stop()
