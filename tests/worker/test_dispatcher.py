"""The dispatcher: a small window of hints, fairly chosen, and lost ones sent again."""

from collections import Counter
from uuid import UUID

from sqlalchemy import Engine, text

from worker import chunks, dispatcher, jobs
from worker.dispatcher import Hint
from worker.jobs import JobOptions

HINT_SECONDS = 60


def choose(engine: Engine) -> list[Hint]:
    with engine.begin() as connection:
        return dispatcher.choose(connection, hint_seconds=HINT_SECONDS)


def many(prefix: str, count: int) -> list[str]:
    return [f"/{prefix}/r{n}" for n in range(count)]


def claim(engine: Engine, hint: Hint) -> chunks.Lease | None:
    return chunks.claim(
        engine, job_id=hint.job_id, number=hint.number, worker="test", lease_seconds=60
    )


def test_only_a_small_window_is_hinted(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, many("a", 256 * 40))
    assert len(choose(engine)) == dispatcher.SPARE_HINTS
    assert choose(engine) == []


def test_the_window_follows_the_work(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, many("a", 256 * 40))
    claimed = [claim(engine, hint) for hint in choose(engine)[:3]]
    assert None not in claimed
    assert len(choose(engine)) == 3 + 2 * 3


def test_two_jobs_of_one_priority_take_turns(engine: Engine, model_id: int) -> None:
    for prefix in ("a", "b"):
        jobs.enqueue(engine, many(prefix, 256 * 20))
    by_job = Counter(hint.job_id for hint in choose(engine))
    assert set(by_job.values()) == {dispatcher.SPARE_HINTS // 2}


def test_an_urgent_job_comes_first(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, many("a", 256 * 20))
    choose(engine)
    urgent = jobs.enqueue(engine, many("b", 300), JobOptions(priority="urgent")).job_id
    forget_hints(engine, except_for=urgent)
    assert {hint.number for hint in choose(engine) if hint.job_id == urgent} == {1, 2}


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
        assert dispatcher.choose(connection, hint_seconds=HINT_SECONDS)
        assert choose(engine) == []
