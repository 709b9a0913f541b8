"""The failed records of a job, as a stream."""

import csv
import io
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from tests.worker.ledger_rows import claim, finish
from worker import jobs
from worker.jobs.failures import count_failures, failures, write_csv

pytestmark = pytest.mark.usefixtures("model_id")


@pytest.fixture
def job_id(engine: Engine, records: list[str]) -> UUID:
    """A job of which five records failed, two of them at their third attempt."""
    job_id = jobs.enqueue(engine, records).job_id
    first = claim(engine, job_id, 1)
    finish(engine, first, failed=dict.fromkeys(first.record_ids[:3], "not_found"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_chunk SET retries = 2 WHERE number = 2"))
    second = claim(engine, job_id, 2)
    finish(engine, second, failed=dict.fromkeys(second.record_ids[:2], "deleted"))
    return job_id


def test_each_failed_record_is_told_once_with_its_attempts(engine: Engine, job_id: UUID) -> None:
    with failures(engine, job_id) as rows:
        found = list(rows)
    assert sorted((row.reason, row.attempts) for row in found) == [
        *[("deleted", 3)] * 2,
        *[("not_found", 1)] * 3,
    ]
    assert [row.record_id for row in found] == sorted(row.record_id for row in found)
    assert {row.stage for row in found} == {"fetch"}
    assert sum(count_failures(engine, job_id).values()) == 5


def test_one_reason_may_be_asked_for(engine: Engine, job_id: UUID) -> None:
    with failures(engine, job_id, ["deleted"]) as rows:
        assert {row.reason for row in rows} == {"deleted"}
    assert count_failures(engine, job_id, ["deleted"]) == {"deleted": 2}


def test_a_reason_that_no_record_has_is_refused(engine: Engine, job_id: UUID) -> None:
    with pytest.raises(UsageError, match=r"Reasons: not_found \(3\), deleted \(2\)"):
        count_failures(engine, job_id, ["timeout"])


def test_they_are_written_as_csv(engine: Engine, job_id: UUID) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_failure SET detail = '=SUM(A1)'"))
    written = io.StringIO()
    with failures(engine, job_id, ["deleted"]) as rows:
        assert write_csv(rows, written) == 2
    first, _ = csv.DictReader(io.StringIO(written.getvalue()))
    assert (first["reason"], first["attempts"], first["detail"]) == ("deleted", "3", "'=SUM(A1)")
