"""Accepting lists of record IDs."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from common.errors import ModelError, UsageError
from worker import jobs
from worker.jobs import JobOptions


def test_records_are_dealt_into_chunks(engine: Engine, model_id: int) -> None:
    accepted = jobs.enqueue(engine, (f"/9/r{n}" for n in range(1000)))
    with engine.connect() as connection:
        sizes = connection.execute(
            text("SELECT cardinality(record_ids) FROM job_chunk ORDER BY number")
        )
        assert list(sizes.scalars()) == [256, 256, 256, 232]
    status = jobs.status(engine, accepted.job_id)
    assert (accepted.total, status.total, status.waiting) == (1000, 1000, 1000)


def test_neighbours_in_the_list_go_to_different_chunks(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, (f"/museum{n // 256}/r{n}" for n in range(1024)))
    with engine.connect() as connection:
        museums = connection.execute(
            text(
                "SELECT count(DISTINCT split_part(id, '/', 2)) FROM job_chunk,"
                " unnest(record_ids) AS id GROUP BY number"
            )
        )
        assert list(museums.scalars()) == [4, 4, 4, 4]


def test_duplicates_are_left_out_and_counted(engine: Engine, model_id: int) -> None:
    accepted = jobs.enqueue(engine, ["/1/a", "/1/b", "/1/a", "/1/a"])
    assert (accepted.total, accepted.duplicates) == (2, 2)


def test_the_same_idempotency_key_makes_one_job(engine: Engine, model_id: int) -> None:
    first = jobs.enqueue(engine, ["/1/a", "/1/b"], JobOptions(idempotency_key="monday"))
    again = jobs.enqueue(engine, ["/1/a", "/1/b"], JobOptions(idempotency_key="monday"))
    assert again.already_known
    assert (again.job_id, again.total) == (first.job_id, 2)


def test_a_list_that_breaks_off_leaves_no_job(engine: Engine, model_id: int) -> None:
    def broken() -> Iterator[str]:
        yield "/1/a"
        raise UsageError("line 2")

    with pytest.raises(UsageError, match="line 2"):
        jobs.enqueue(engine, broken())
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM job")).scalar_one() == 0


def test_an_empty_list_is_refused(engine: Engine, model_id: int) -> None:
    with pytest.raises(UsageError, match="no record ID"):
        jobs.enqueue(engine, [])


def test_without_an_active_model_nothing_is_accepted(engine: Engine) -> None:
    with pytest.raises(ModelError, match="trainer promote"):
        jobs.enqueue(engine, ["/1/a"])
