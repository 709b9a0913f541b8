"""What an operator does to a job, and that workers heed it."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from tests.worker.ledger_rows import claim, finish, ready_chunks
from worker import jobs
from worker.ledger import chunks
from worker.ledger.chunks import LeaseLostError
from worker.ledger.sweep import sweep


@pytest.fixture
def job_id(engine: Engine, model_id: int, records: list[str]) -> UUID:
    return jobs.enqueue(engine, records).job_id


def state(engine: Engine, job_id: UUID) -> str:
    return jobs.status(engine, job_id).state


def test_a_paused_job_finishes_what_is_in_work_and_begins_nothing(
    engine: Engine, job_id: UUID
) -> None:
    lease = claim(engine, job_id, 1)
    jobs.pause(engine, job_id)
    assert chunks.renew(engine, lease, lease_seconds=60)
    finish(engine, lease)
    assert chunks.claim(engine, worker="test", lease_seconds=60) is None


def test_a_resumed_job_goes_on_at_once(engine: Engine, job_id: UUID) -> None:
    jobs.pause(engine, job_id)
    jobs.resume(engine, job_id)
    assert chunks.claim(engine, worker="test", lease_seconds=60) is not None


def test_a_job_whose_last_chunk_ended_during_a_pause_is_done_when_resumed(
    engine: Engine, job_id: UUID
) -> None:
    leases = [claim(engine, job_id, number) for number in (1, 2, 3)]
    jobs.pause(engine, job_id)
    for lease in leases:
        assert not finish(engine, lease)
    assert state(engine, job_id) == "paused"
    jobs.resume(engine, job_id)
    assert state(engine, job_id) == "done"


def test_a_cancelled_job_keeps_what_it_has_and_gets_no_more(engine: Engine, job_id: UUID) -> None:
    finish(engine, claim(engine, job_id, 1))
    lease = claim(engine, job_id, 2)
    jobs.cancel(engine, job_id)
    assert not chunks.renew(engine, lease, lease_seconds=60)
    with pytest.raises(LeaseLostError):
        finish(engine, lease)
    status = jobs.status(engine, job_id)
    assert (status.state, status.settled, status.waiting) == ("cancelled", 256, 344)
    assert status.finished_at is not None


def test_an_expired_chunk_of_a_cancelled_job_is_nobodys_fault(engine: Engine, job_id: UUID) -> None:
    claim(engine, job_id, 1, lease_seconds=0)
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_chunk SET attempt = 3, token = 3 WHERE number = 1"))
    jobs.cancel(engine, job_id)
    assert sweep(engine) == {"returned": 1}


def test_a_job_that_is_done_cannot_be_changed(engine: Engine, job_id: UUID) -> None:
    for number in (1, 2, 3):
        finish(engine, claim(engine, job_id, number))
    for change in (jobs.pause, jobs.resume, jobs.cancel):
        with pytest.raises(UsageError, match="is done"):
            change(engine, job_id)


def test_asking_twice_changes_nothing_more(engine: Engine, job_id: UUID) -> None:
    for change in (jobs.pause, jobs.resume, jobs.cancel):
        change(engine, job_id)
        first = jobs.status(engine, job_id)
        change(engine, job_id)
        assert replace(jobs.status(engine, job_id), age=first.age) == first


def test_an_unknown_job_is_refused(engine: Engine) -> None:
    changes: list[Callable[[Engine, UUID], object]]
    changes = [jobs.pause, jobs.resume, jobs.cancel, jobs.retry, jobs.status]
    for change in changes:
        with pytest.raises(UsageError, match="no job"):
            change(engine, uuid4())


@pytest.fixture
def failed(engine: Engine, job_id: UUID) -> dict[str, str]:
    """The reasons of failures of a job that is done: 30 records not found, 20 timed out."""
    reasons: dict[str, str] = {}
    for number in (1, 2, 3):
        lease = claim(engine, job_id, number)
        of_chunk = dict.fromkeys(lease.record_ids[:10], "not_found")
        of_chunk |= dict.fromkeys(lease.record_ids[10:20] if number > 1 else (), "timeout")
        finish(engine, lease, failed=of_chunk)
        reasons |= of_chunk
    return reasons


def test_what_failed_is_tried_again_in_the_same_job(
    engine: Engine, job_id: UUID, failed: dict[str, str]
) -> None:
    assert jobs.retry(engine, job_id) == 50
    status = jobs.status(engine, job_id)
    assert (status.state, status.failed, status.waiting, status.failures) == ("running", 0, 50, {})
    (number,) = ready_chunks(engine, job_id)
    lease = claim(engine, job_id, number)
    assert set(lease.record_ids) == failed.keys()
    assert finish(engine, lease)
    assert jobs.status(engine, job_id).below_threshold == 600


def test_only_what_failed_for_a_reason_is_tried_again(
    engine: Engine, job_id: UUID, failed: dict[str, str]
) -> None:
    assert jobs.retry(engine, job_id, ["timeout"]) == 20
    status = jobs.status(engine, job_id)
    assert (status.failures, status.failed, status.waiting) == ({"not_found": 30}, 30, 20)
    (number,) = ready_chunks(engine, job_id)
    timed_out = {record_id for record_id, reason in failed.items() if reason == "timeout"}
    assert set(claim(engine, job_id, number).record_ids) == timed_out


def test_a_retry_of_nothing_is_refused_with_the_reasons_there_are(
    engine: Engine, job_id: UUID, failed: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match=r"not_found \(30\), timeout \(20\)"):
        jobs.retry(engine, job_id, ["deleted"])
    assert state(engine, job_id) == "done"


def test_without_a_failure_there_is_nothing_to_retry(engine: Engine, job_id: UUID) -> None:
    with pytest.raises(UsageError, match="has failed"):
        jobs.retry(engine, job_id)


def test_a_cancelled_job_is_not_retried(engine: Engine, job_id: UUID) -> None:
    jobs.cancel(engine, job_id)
    with pytest.raises(UsageError, match="was cancelled"):
        jobs.retry(engine, job_id)
