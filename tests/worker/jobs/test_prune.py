"""Old jobs lose their lists; whoever needs one of them is told so."""

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from tests.waiting import wait_for
from tests.worker.ledger_rows import claim, finish, rows
from worker import jobs
from worker.exports.selection import Selection, draw_sample, selected
from worker.jobs.failures import count_failures
from worker.jobs.prune import prunable
from worker.jobs.report import report_job

MONTH = timedelta(days=30)

pytestmark = pytest.mark.usefixtures("model_id")


@pytest.fixture
def old(engine: Engine, records: list[str]) -> UUID:
    """A job that was done long ago; three of its six hundred records failed."""
    job_id = jobs.enqueue(engine, records, jobs.JobOptions(idempotency_key="old")).job_id
    for number in (1, 2, 3):
        lease = claim(engine, job_id, number)
        finish(engine, lease, failed={lease.record_ids[0]: "not_found"})
    over_for(engine, job_id, days=31)
    return job_id


def over_for(engine: Engine, job_id: UUID, *, days: int) -> None:
    since = text("UPDATE job SET finished_at = now() - make_interval(days => :days) WHERE id = :id")
    with engine.begin() as connection:
        connection.execute(since, {"days": days, "id": job_id})


def lists(engine: Engine) -> list[tuple[object, ...]]:
    """How many chunks and failures there are."""
    return rows(
        engine, "SELECT (SELECT count(*) FROM job_chunk), (SELECT count(*) FROM job_failure)"
    )


def test_an_old_job_loses_its_lists_and_stays(engine: Engine, old: UUID) -> None:
    found = prunable(engine, older_than=MONTH)
    assert (found.job_ids, found.records) == ((old,), 600)
    assert jobs.prune(engine, older_than=MONTH) == jobs.PrunedJobs(jobs=1, records=600, failures=3)
    assert lists(engine) == [(0, 0)]
    status = jobs.status(engine, old)
    assert (status.state, status.total, status.settled, status.failed) == ("done", 600, 600, 3)
    assert sum(status.failures.values()) == 3
    assert report_job(engine, old).pruned_at is not None
    assert jobs.prune(engine, older_than=MONTH) == jobs.PrunedJobs(jobs=0, records=0, failures=0)


def test_jobs_that_are_not_over_or_not_for_long_keep_theirs(
    engine: Engine, old: UUID, records: list[str]
) -> None:
    over_for(engine, old, days=29)
    running, paused, cancelled = (jobs.enqueue(engine, records).job_id for _ in range(3))
    jobs.pause(engine, paused)
    jobs.cancel(engine, cancelled)
    over_for(engine, cancelled, days=31)
    assert jobs.prune(engine, older_than=MONTH).jobs == 1
    kept = rows(engine, "SELECT DISTINCT job_id FROM job_chunk")
    assert {job_id for (job_id,) in kept} == {old, running, paused}


def test_whoever_needs_the_lists_is_told_that_they_were_removed(engine: Engine, old: UUID) -> None:
    jobs.prune(engine, older_than=MONTH)
    with engine.connect() as connection:
        today = connection.execute(text("SELECT to_char(now(), 'YYYY-MM-DD')")).scalar_one()
    told = f"The records of job {old} were removed on {today} by worker prune. "
    needing: dict[str, Callable[[], object]] = {
        "enqueue its records again": lambda: count_failures(engine, old),
        "Enqueue its records again": lambda: jobs.retry(engine, old),
        "worker export --model": lambda: selected(engine, Selection(job=old)).__enter__(),
        "Its enrichments stay": lambda: draw_sample(engine, old, limit=1),
    }
    for instead, need in needing.items():
        with pytest.raises(UsageError, match=instead) as refused:
            need()
        assert str(refused.value).startswith(told)


def test_its_key_still_names_it_and_unseen_forgets_what_it_saw(
    engine: Engine, old: UUID, records: list[str]
) -> None:
    unseen = jobs.JobOptions(unseen=True)
    assert jobs.preview(engine, records, unseen).seen == 597
    jobs.prune(engine, older_than=MONTH)
    assert jobs.preview(engine, records, unseen).seen == 0
    again = jobs.enqueue(engine, records, jobs.JobOptions(idempotency_key="old"))
    assert (again.job_id, again.already_known) == (old, True)


def test_a_retry_that_came_first_keeps_the_lists(engine: Engine, old: UUID) -> None:
    pruned: list[jobs.PrunedJobs] = []
    with engine.begin() as connection:
        connection.execute(text("SELECT 1 FROM job FOR NO KEY UPDATE"))
        waiting = Thread(target=lambda: pruned.append(jobs.prune(engine, older_than=MONTH)))
        waiting.start()
        wait_for(lambda: rows(engine, "SELECT 1 FROM pg_locks WHERE NOT granted"))
        connection.execute(text("UPDATE job SET state = 'running', finished_at = NULL"))
    waiting.join()
    assert pruned == [jobs.PrunedJobs(jobs=0, records=0, failures=0)]
    assert lists(engine) == [(3, 3)]
