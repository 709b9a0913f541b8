"""How far a job has come, how fast, and what holds it up."""

from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.errors import RecordError, TransientRecordError
from tests.worker.ledger_rows import DELAYS, all_below, claim, finish, predicted
from worker import jobs
from worker.jobs import FailingHost, JobOptions
from worker.ledger import finish as finishing
from worker.ledger.chunks import Lease
from worker.ledger.finish import ChunkResults
from worker.ledger.roster import WorkerState, tell


@pytest.fixture
def job_id(engine: Engine, model_id: int, records: list[str]) -> UUID:
    return jobs.enqueue(engine, records, JobOptions(submitter="ann", picture="auto")).job_id


def settled_ago(engine: Engine, number: int, seconds: float) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("""
                UPDATE job_chunk SET settled_at = now() - make_interval(secs => :seconds)
                WHERE number = :number
            """),
            {"number": number, "seconds": seconds},
        )


def finish_two(engine: Engine, job_id: UUID, *, seconds_between: float) -> None:
    for number in (1, 2):
        finish(engine, claim(engine, job_id, number))
    settled_ago(engine, 1, seconds_between)
    settled_ago(engine, 2, 0)


def test_the_rate_is_that_of_the_chunks_since_the_first(engine: Engine, job_id: UUID) -> None:
    finish_two(engine, job_id, seconds_between=64)
    status = jobs.status(engine, job_id)
    assert status.rate == pytest.approx(4, rel=0.02)
    assert status.seconds_left == pytest.approx(88 / 4, rel=0.02)


def test_what_was_read_and_what_was_looked_at_are_counted(engine: Engine, job_id: UUID) -> None:
    lease = claim(engine, job_id, 1)
    failed, *classified = lease.record_ids
    outcome = ChunkResults(
        predicted=dict.fromkeys(classified, predicted(lease, classified[0])),
        errors={failed: RecordError("fetch", "not_found")},
        read=200,
    )
    finishing.finish(engine, lease, outcome, retry_delays=DELAYS)
    status = jobs.status(engine, job_id)
    assert (status.read, status.looked_at, status.failed) == (200, 55, 1)


def test_of_one_chunk_there_is_no_rate(engine: Engine, job_id: UUID) -> None:
    finish(engine, claim(engine, job_id, 1))
    assert jobs.status(engine, job_id).rate is None
    assert jobs.status(engine, job_id).seconds_left is None


def test_of_chunks_that_ended_together_just_now_there_is_no_rate(
    engine: Engine, job_id: UUID
) -> None:
    finish_two(engine, job_id, seconds_between=0.08)
    assert jobs.status(engine, job_id).rate is None
    assert jobs.list_jobs(engine)[0].rate is None


def test_the_rate_falls_while_nothing_is_settled(engine: Engine, job_id: UUID) -> None:
    finish_two(engine, job_id, seconds_between=64)
    settled_ago(engine, 2, 63.9)
    assert jobs.status(engine, job_id).rate == pytest.approx(256 / 64, rel=0.02)


def test_a_job_that_is_paused_has_no_rate(engine: Engine, job_id: UUID) -> None:
    finish_two(engine, job_id, seconds_between=64)
    jobs.pause(engine, job_id)
    assert jobs.status(engine, job_id).rate is None


def test_what_was_long_ago_does_not_count(engine: Engine, job_id: UUID) -> None:
    finish_two(engine, job_id, seconds_between=4000)
    assert jobs.status(engine, job_id).rate is None


def fail(engine: Engine, lease: Lease, *, not_found: int, timed_out: int) -> None:
    errors: dict[str, RecordError] = {}
    for record_id in lease.record_ids[:not_found]:
        errors[record_id] = RecordError("fetch", "not_found")
    for record_id in lease.record_ids[not_found : not_found + timed_out]:
        errors[record_id] = TransientRecordError("fetch", "timeout")
    outcome = ChunkResults(predicted=all_below(lease, but=errors).predicted, errors=errors)
    finishing.finish(engine, lease, outcome, retry_delays=DELAYS)


def test_records_to_be_tried_again_are_counted_and_their_hosts_named(
    engine: Engine, job_id: UUID
) -> None:
    fail(engine, claim(engine, job_id, 1), not_found=10, timed_out=5)
    status = jobs.status(engine, job_id)
    assert (status.failed, status.put_off, status.waiting) == (10, 5, 349)
    assert jobs.failing_hosts(engine, job_id) == [
        FailingHost(host="museum.example", failed=10, put_off=5, pace=1)
    ]


def test_records_of_a_lost_worker_are_told_of(engine: Engine, job_id: UUID) -> None:
    lost, held = claim(engine, job_id, 1), claim(engine, job_id, 3)
    with engine.begin() as connection:
        alive = "UPDATE job_chunk SET worker = 'alive' WHERE number = :number"
        connection.execute(text(alive), {"number": held.number})
        killed = "UPDATE worker_process SET seen_at = now() - interval '1 min' WHERE name = 'test'"
        tell(engine, WorkerState(name="test"))
        tell(engine, WorkerState(name="alive"))
        connection.execute(text(killed))
    status = jobs.status(engine, job_id)
    assert (status.in_work, status.lost) == (256 + 88, len(lost.record_ids))
    (told,) = status.told_lost()
    assert told.startswith("256 records were in work with a worker that is no longer alive.")
    tell(engine, WorkerState(name="test"))
    status = jobs.status(engine, job_id)
    assert (status.lost, status.lost_until, list(status.told_lost())) == (0, None, [])


def test_a_host_is_named_without_credentials_and_with_the_pace_that_it_bears(
    engine: Engine, job_id: UUID
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE record SET media_url = 'HTTPS://me:secret@Museum.example:443/' || id")
        )
        connection.execute(
            text(
                "INSERT INTO host_lease VALUES ('museum.example', 'p', 1, 0.25, now(),"
                " now() + interval '1 min'), ('museum.example', 'q', 1, 0.01, now(), now())"
            )
        )
    fail(engine, claim(engine, job_id, 1), not_found=1, timed_out=2)
    assert jobs.failing_hosts(engine, job_id) == [
        FailingHost(host="museum.example", failed=1, put_off=2, pace=0.25)
    ]


def test_a_host_is_one_however_its_name_is_written(engine: Engine, job_id: UUID) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("""
                UPDATE record SET media_url = (ARRAY['http://müller.example/',
                    'https://xn--mller-kva.example:443/', 'http://MÜLLER.Example:80/']
                    )[1 + length(id) % 3] || id
            """)
        )
    fail(engine, claim(engine, job_id, 1), not_found=100, timed_out=100)
    assert jobs.failing_hosts(engine, job_id) == [
        FailingHost(host="xn--mller-kva.example", failed=100, put_off=100, pace=1)
    ]


def test_a_job_of_thumbnails_blames_no_museum(
    engine: Engine, model_id: int, records: list[str]
) -> None:
    job_id = jobs.enqueue(engine, records, JobOptions(picture="thumbnail")).job_id
    fail(engine, claim(engine, job_id, 1), not_found=10, timed_out=5)
    assert jobs.failing_hosts(engine, job_id) == []


def test_jobs_are_listed_with_the_unfinished_first(engine: Engine, job_id: UUID) -> None:
    finish_two(engine, job_id, seconds_between=64)
    cancelled = jobs.enqueue(engine, ["/1/a"]).job_id
    jobs.cancel(engine, cancelled)
    first, second = jobs.list_jobs(engine)
    assert (first.job_id, first.state, first.submitter) == (job_id, "running", "ann")
    assert (first.settled, first.total, first.model) == (512, 600, "test v1")
    assert first.rate == pytest.approx(4, rel=0.02)
    assert (second.job_id, second.rate) == (cancelled, None)
    assert [row.job_id for row in jobs.list_jobs(engine, ["cancelled"])] == [cancelled]
