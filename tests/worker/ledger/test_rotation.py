"""Whose turn it is: urgent before bulk, bulk keeps a share, jobs of a priority in turn."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from common.store.tables import Priority
from tests.worker.ledger_rows import finish
from worker import jobs
from worker.jobs import JobOptions
from worker.ledger import chunks, rotation
from worker.ledger.chunks import Lease
from worker.ledger.rotation import JobRotation
from worker.ledger.routes import Routes

URGENT = JobOptions(priority=Priority.URGENT)


def many(prefix: str, count: int) -> list[str]:
    return [f"/{prefix}/r{n}" for n in range(count)]


def lease(job_id: UUID, *, priority: Priority, records: int = 256) -> Lease:
    return Lease(
        job_id=job_id,
        number=1,
        token=1,
        retries=0,
        routes=Routes(model_id=1),
        picture="auto",
        record_ids=("/1/a",) * records,
        claimed_at=datetime(2026, 11, 26, tzinfo=UTC),
        priority=priority,
    )


def test_bulk_has_its_turn_after_three_times_as_many_urgent_records() -> None:
    account = JobRotation()
    urgent = lease(uuid4(), priority=Priority.URGENT, records=16)
    for _ in range(47):
        account.begin(urgent)
        assert account.priority is Priority.URGENT
    account.begin(urgent)
    assert account.priority is Priority.BULK
    account.begin(lease(uuid4(), priority=Priority.BULK))
    assert account.priority is Priority.URGENT


def test_nothing_is_saved_up_while_no_bulk_job_waits() -> None:
    account = JobRotation()
    for _ in range(100):
        account.begin(lease(uuid4(), priority=Priority.URGENT))
    account.begin(lease(uuid4(), priority=Priority.BULK))
    assert account.priority is Priority.URGENT


def test_the_jobs_served_are_remembered_in_order_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rotation, "REMEMBERED", 2)
    account, (first, second, third) = JobRotation(), (uuid4() for _ in range(3))
    for job_id in (first, second, first, third):
        account.begin(lease(job_id, priority=Priority.BULK))
    assert account.served == [first, third]
    assert Counter(account.in_work) == {first: 2, second: 1, third: 1}
    account.end(lease(first, priority=Priority.BULK))
    assert Counter(account.in_work)[first] == 1


def test_two_jobs_of_one_priority_take_turns(engine: Engine, model_id: int) -> None:
    for prefix in ("a", "b"):
        jobs.enqueue(engine, many(prefix, 256 * 20))
    for places in (1, 4):
        simulation = Simulation(engine, places=places)
        simulation.run(chunk_times=4)
        assert set(Counter(lease.job_id for _, lease in simulation.begun).values()) == {2 * places}


def test_a_flood_of_urgent_work_does_not_stop_the_bulk(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, many("u", 256 * 100), URGENT)
    jobs.enqueue(engine, many("b", 256 * 60))
    for places in (1, 8):
        simulation = Simulation(engine, places=places)
        simulation.run(chunk_times=6 * 8 / places)
        late = Counter[str]()
        for time, begun in simulation.begun:
            late[begun.priority] += len(begun.record_ids) * (time >= 1)
        assert 1 / 8 <= late["bulk"] / late.total() <= 1 / 3


def test_a_small_urgent_job_overtakes_a_million_records(engine: Engine, model_id: int) -> None:
    million_records(engine, jobs.enqueue(engine, many("bulk", 256)).job_id)
    for places in (1, 4):
        simulation = Simulation(engine, places=places)
        simulation.run(chunk_times=1.5)
        urgent = jobs.enqueue(engine, many("urgent", 200), URGENT).job_id
        simulation.run(chunk_times=2)
        assert jobs.status(engine, urgent).state == "done"
        simulation.abandon()


def million_records(engine: Engine, job_id: UUID) -> None:
    """Let a job of one chunk have 3,906 of them."""
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO job_chunk (job_id, number, record_ids)
                SELECT job_id, n, record_ids FROM job_chunk, generate_series(2, 3906) AS n
                WHERE job_id = :job_id
            """),
            {"job_id": job_id},
        )
        connection.execute(text("UPDATE job SET total = 3906 * 256, chunks = 3906"))


class Simulation:
    """The places of one process, with real claims; 256 records take one unit of made-up time."""

    STEPS = 16  # in the time of a chunk of 256 records

    def __init__(self, engine: Engine, *, places: int) -> None:
        self._engine = engine
        self._rotation = JobRotation()
        self._time = 0.0
        self._places: list[tuple[float, Lease] | None] = [None] * places
        self.begun: list[tuple[float, Lease]] = []

    def run(self, *, chunk_times: float) -> None:
        for _ in range(round(chunk_times * self.STEPS)):
            self._places = [self._unfinished(place) or self._begin() for place in self._places]
            self._time += 1 / self.STEPS
        self._places = [self._unfinished(place) for place in self._places]

    def abandon(self) -> None:
        """Give back what is in work."""
        for place in self._places:
            if place:
                chunks.give_back(self._engine, place[1], blameless=True)

    def _unfinished(self, place: tuple[float, Lease] | None) -> tuple[float, Lease] | None:
        if place and self._time >= place[0] - 1e-6:
            self._rotation.end(place[1])
            finish(self._engine, place[1])
            return None
        return place

    def _begin(self) -> tuple[float, Lease] | None:
        lease = chunks.claim(
            self._engine,
            worker="test",
            lease_seconds=60,
            priority=self._rotation.priority,
            in_work=self._rotation.in_work,
            served=self._rotation.served,
        )
        if lease is None:
            return None
        self._rotation.begin(lease)
        self.begun.append((self._time, lease))
        return self._time + len(lease.record_ids) / 256, lease
