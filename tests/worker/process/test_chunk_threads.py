"""A free thread asks the ledger, again after each chunk, and now and then if there is nothing."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import pytest

from worker.ledger.chunks import Lease
from worker.ledger.rotation import JobRotation
from worker.ledger.routes import Routes
from worker.process.chunk_threads import SHORTEST_PAUSE, ChunkThreads

LONG = 60.0  # seconds, longer than any test


class Office:
    """Gives out leases and has them worked on until `closed`."""

    def __init__(self, leases: int) -> None:
        self.leases = [lease(number) for number in range(leases)]
        self.asked_at: list[float] = []
        self.in_work = 0
        self.done = 0
        self.closed = threading.Event()
        self._lock = threading.Lock()

    @property
    def asked(self) -> int:
        return len(self.asked_at)

    def claim(self, _: JobRotation) -> Lease | None:
        self.asked_at.append(time.monotonic())
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
        routes=Routes(model_id=1),
        picture="auto",
        record_ids=("/1/a",),
        claimed_at=datetime(2026, 11, 25, tzinfo=UTC),
    )


@pytest.fixture
def office() -> Iterator[Office]:
    office = Office(leases=5)
    yield office
    office.closed.set()


def threads_of(office: Office, count: int, *, longest_pause: float = LONG) -> ChunkThreads:
    return ChunkThreads(
        "threads", office.claim, office.work_on, count=count, longest_pause=longest_pause
    )


def wait_for(office: Office, **expected: int) -> None:
    deadline = time.monotonic() + 20
    while any(getattr(office, name) < value for name, value in expected.items()):
        assert time.monotonic() < deadline, vars(office)
        time.sleep(0.01)


def test_as_many_chunks_are_in_work_as_there_are_threads(office: Office) -> None:
    threads = threads_of(office, 2)
    threads.run_once()
    threads.run_once()
    wait_for(office, in_work=2)
    assert len(office.leases) == 3


def test_the_end_of_a_chunk_has_the_next_one_claimed_at_once(office: Office) -> None:
    office.closed.set()
    threads = threads_of(office, 1)
    threads.start()
    wait_for(office, done=5)
    threads.stop()


def test_who_finds_nothing_asks_again_by_itself_ever_more_seldom() -> None:
    office = Office(leases=0)
    threads = threads_of(office, 1, longest_pause=16 * SHORTEST_PAUSE)
    threads.start()
    wait_for(office, asked=7)
    threads.stop()
    pauses = [after - before for before, after in pairwise(office.asked_at)]
    assert max(pauses[:2]) < pauses[5]


def test_a_wake_up_ends_the_pause() -> None:
    office = Office(leases=0)
    threads = threads_of(office, 1)
    threads.start()
    wait_for(office, asked=8)  # the next pause is at least three seconds
    office.leases.append(lease(1))
    threads.wake()
    wait_for(office, in_work=1)
    assert office.asked_at[8] - office.asked_at[7] < 3
    office.closed.set()
    threads.stop()


def test_a_thousand_wake_ups_are_few_questions() -> None:
    office = Office(leases=0)
    threads = threads_of(office, 1)
    threads.start()
    wait_for(office, asked=1)
    begun, asked = time.monotonic(), office.asked
    for _ in range(1_000):
        threads.wake()
        time.sleep(0.0002)
    seconds = time.monotonic() - begun
    assert office.asked - asked <= seconds / SHORTEST_PAUSE + 2
    threads.stop()


def test_stopping_waits_for_the_chunks_in_work_and_claims_no_more(office: Office) -> None:
    threads = threads_of(office, 1)
    threads.start()
    wait_for(office, in_work=1)
    stopping = threading.Thread(target=threads.stop)
    stopping.start()
    assert threads.stopping.wait(10)
    assert stopping.is_alive()
    office.closed.set()
    stopping.join()
    assert (office.done, len(office.leases)) == (1, 4)


def test_threads_outlive_whatever_a_claim_raises(office: Office) -> None:
    claims: list[int] = []

    def claim_at_last(rotation: JobRotation) -> Lease | None:
        claims.append(1)
        if len(claims) < 3:
            raise ValueError("no such luck")
        return office.claim(rotation)

    threads = ChunkThreads("threads", claim_at_last, office.work_on, count=1, longest_pause=0.1)
    threads.start()
    wait_for(office, in_work=1)
    office.closed.set()
    threads.stop()
