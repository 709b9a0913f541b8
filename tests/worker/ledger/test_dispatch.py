"""The dispatcher: a small window of hints, fairly chosen, and lost ones sent again."""

from collections import Counter, deque
from uuid import UUID

from sqlalchemy import Engine, text

from tests.worker.ledger_rows import finish
from worker import jobs
from worker.jobs import JobOptions
from worker.ledger import chunks, dispatch
from worker.ledger.dispatch import Hint

HINT_SECONDS = 60


def choose(engine: Engine) -> list[Hint]:
    with engine.begin() as connection:
        return dispatch.choose(connection, hint_seconds=HINT_SECONDS)


def many(prefix: str, count: int) -> list[str]:
    return [f"/{prefix}/r{n}" for n in range(count)]


def claim(engine: Engine, hint: Hint) -> chunks.Lease | None:
    return chunks.claim(
        engine, job_id=hint.job_id, number=hint.number, worker="test", lease_seconds=60
    )


def test_only_a_small_window_is_hinted(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, many("a", 256 * 40))
    assert len(choose(engine)) == dispatch.SPARE_HINTS
    assert choose(engine) == []


def test_the_window_follows_the_work(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, many("a", 256 * 40))
    claimed = [claim(engine, hint) for hint in choose(engine)[:3]]
    assert None not in claimed
    assert len(choose(engine)) == 3 + 2 * 3


def test_two_jobs_of_one_priority_take_turns(engine: Engine, model_id: int) -> None:
    for prefix in ("a", "b"):
        jobs.enqueue(engine, many(prefix, 256 * 20))
    hints = choose(engine)
    by_job = Counter(hint.job_id for hint in hints)
    assert set(by_job.values()) == {dispatch.SPARE_HINTS // 2}
    assert [hint.number for hint in hints] == [1, 1, 2, 2, 3, 3, 4, 4]


def test_an_urgent_job_comes_first(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, many("a", 256 * 20))
    choose(engine)
    urgent = jobs.enqueue(engine, many("b", 300), JobOptions(priority="urgent")).job_id
    forget_hints(engine, except_for=urgent)
    assert {hint.number for hint in choose(engine) if hint.job_id == urgent} == {1, 2}


def test_an_urgent_job_does_not_wait_for_the_bulk_window(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, many("a", 256 * 20))
    assert len(choose(engine)) == dispatch.SPARE_HINTS
    urgent = jobs.enqueue(engine, many("b", 200), JobOptions(priority="urgent")).job_id
    assert [(hint.job_id, hint.number) for hint in choose(engine)] == [(urgent, 1)]


def test_the_job_with_the_fewest_chunks_under_way_is_next(engine: Engine, model_id: int) -> None:
    first = jobs.enqueue(engine, many("a", 256 * 40)).job_id
    for hint in choose(engine):
        claim(engine, hint)
    second = jobs.enqueue(engine, many("b", 256 * 40)).job_id
    by_job = Counter(hint.job_id for hint in choose(engine))
    assert by_job == {second: dispatch.SPARE_HINTS * 2, first: dispatch.SPARE_HINTS}


def test_a_flood_of_urgent_work_does_not_stop_the_bulk(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, many("u", 256 * 60), JobOptions(priority="urgent"))
    jobs.enqueue(engine, many("b", 256 * 60))
    simulation = Simulation(engine, slots=8)
    simulation.run(chunk_times=6)
    late = Counter(priority for time, priority in simulation.begun if time >= 2)
    assert 1 / 8 <= late["bulk"] / late.total() <= 1 / 3


def test_hints_of_a_paused_job_take_no_room(engine: Engine, model_id: int) -> None:
    paused = jobs.enqueue(engine, many("a", 256 * 20)).job_id
    choose(engine)
    jobs.pause(engine, paused)
    jobs.enqueue(engine, many("b", 256 * 20))
    assert len(choose(engine)) == dispatch.SPARE_HINTS


def test_a_small_urgent_job_overtakes_a_million_records(engine: Engine, model_id: int) -> None:
    million_records(engine, jobs.enqueue(engine, many("bulk", 256)).job_id)
    for slots in (1, 4):
        simulation = Simulation(engine, slots=slots)
        simulation.run(chunk_times=1.5)
        urgent = jobs.enqueue(engine, many("urgent", 200), JobOptions(priority="urgent")).job_id
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
    """Workers that follow hints, with real claims; each chunk takes one unit of made-up time.

    As the broker does, they empty the queues of the two priorities in turn.
    """

    DISPATCHES = 10  # in the time of a chunk

    def __init__(self, engine: Engine, *, slots: int) -> None:
        self._engine = engine
        self._time = 0.0
        self._queues: dict[str, deque[Hint]] = {"bulk": deque(), "urgent": deque()}
        self._slots: list[tuple[float, chunks.Lease] | None] = [None] * slots
        self.begun: list[tuple[float, str]] = []

    def run(self, *, chunk_times: float) -> None:
        for _ in range(round(chunk_times * self.DISPATCHES)):
            for hint in choose(self._engine):
                self._queues[hint.priority].append(hint)
            self._slots = [self._go_on(slot) for slot in self._slots]
            self._time += 1 / self.DISPATCHES
        self._slots = [self._finished(slot) for slot in self._slots]

    def abandon(self) -> None:
        """Give back what is in work, and forget every hint."""
        for slot in self._slots:
            if slot:
                chunks.give_back(self._engine, slot[1], blameless=True)
        with self._engine.begin() as connection:
            connection.execute(
                text("UPDATE job_chunk SET hinted_at = '-infinity' WHERE hinted_at > '-infinity'")
            )

    def _go_on(self, slot: tuple[float, chunks.Lease] | None) -> tuple[float, chunks.Lease] | None:
        return self._finished(slot) or self._begin()

    def _finished(
        self, slot: tuple[float, chunks.Lease] | None
    ) -> tuple[float, chunks.Lease] | None:
        if slot and self._time >= slot[0] - 1e-6:
            finish(self._engine, slot[1])
            return None
        return slot

    def _begin(self) -> tuple[float, chunks.Lease] | None:
        for priority, queue in list(self._queues.items()):
            while queue:
                lease = claim(self._engine, queue.popleft())
                if lease:
                    self._queues[priority] = self._queues.pop(priority)  # now it is last
                    self.begun.append((self._time, priority))
                    return self._time + 1, lease
        return None


def forget_hints(engine: Engine, except_for: UUID) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE job_chunk SET hinted_at = '-infinity' WHERE job_id <> :job_id"),
            {"job_id": except_for},
        )


def test_a_hint_that_nobody_followed_is_sent_again(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, many("a", 100))
    first = choose(engine)
    assert choose(engine) == []
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_chunk SET hinted_at = now() - interval '61 s'"))
    assert choose(engine) == first


def test_a_chunk_that_is_not_due_is_left_alone(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, many("a", 100))
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_chunk SET not_before = now() + interval '1 min'"))
    assert choose(engine) == []


def test_one_dispatcher_chooses_at_a_time(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, many("a", 100))
    with engine.begin() as connection:
        assert dispatch.choose(connection, hint_seconds=HINT_SECONDS)
        assert choose(engine) == []
