"""Behind PgBouncer, which lends a session of Postgres for a transaction."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from common.fetch.host_limits import HostLimits, LocalHostLimiter
from common.fetch.shared_limits import SharedHostLimiter
from common.store.decisions import block, list_decisions, undo
from common.store.encoders import find_encoder, register_encoder
from deploy.local import Services
from deploy.sandbox.server import Sandbox
from tests.pooler import SESSIONS
from tests.waiting import wait_for
from tests.worker.conftest import CONCEPTS
from tests.worker.ledger_rows import claim, finish
from tests.worker.processes.running import (
    FILES_FIRST,
    TIMEOUT,
    outcomes,
    wait_until_done,
    worker,
)
from worker import jobs
from worker.embeddings.indexing import make_index
from worker.exports.selection import Selection, selected
from worker.jobs.failures import failures
from worker.jobs.report import report_job
from worker.ledger import chunks

MAP = next(iter(CONCEPTS))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * TIMEOUT)]


def test_one_connection_has_a_session_for_a_transaction_only(pooled: Engine) -> None:
    sessions = set()
    with pooled.connect() as connection:
        for _ in range(8):
            sessions.add(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
            connection.rollback()
    assert len(sessions) == SESSIONS


def test_limits_of_time_hold_in_each_transaction(pooled: Engine) -> None:
    for _ in range(8):
        with pooled.connect() as connection:
            limits = [
                connection.execute(text(f"SHOW {name}")).scalar_one()
                for name in ("lock_timeout", "idle_in_transaction_session_timeout")
            ]
            assert limits == ["20s", "1min"]


def test_a_job_is_enqueued_claimed_finished_told_and_exported(
    pooled: Engine, model_id: int, records: list[str]
) -> None:
    job_id = jobs.enqueue(pooled, records).job_id
    for number in (1, 2, 3):
        lease = claim(pooled, job_id, number)
        assert chunks.renew(pooled, lease, lease_seconds=60)
        finish(pooled, lease, failed={lease.record_ids[0]: "not_found"})
    assert report_job(pooled, job_id).failures == {"not_found": 3}
    with failures(pooled, job_id) as failed:
        assert len(list(failed)) == 3
    write_enrichments(pooled, job_id, model_id)
    with selected(pooled, Selection(job=job_id)) as rows:
        assert len([next(rows), *rows]) == 600
    assert jobs.preview(pooled, records, jobs.JobOptions(unseen=True)).seen == 597
    assert jobs.prune(pooled, older_than=timedelta(0)).failures == 3


def write_enrichments(engine: Engine, job_id: UUID, model_id: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO enrichment (model_id, record_id, concept_uri, confidence, source,
                                        image_url, job_id)
                SELECT :model_id, id, :concept, 0.9, 'thumbnail', 'http://a.example', :job_id
                FROM record
            """),
            {"model_id": model_id, "concept": MAP, "job_id": job_id},
        )


def test_decisions_are_made_and_undone(pooled: Engine, model_id: int) -> None:
    with pooled.begin() as connection:
        who = connection.execute(
            text("INSERT INTO desk_user (name, role) VALUES ('a', 'operator') RETURNING id")
        ).scalar_one()
    number = block(pooled, MAP, data_provider=None, reason="wrong", user_id=who)
    with pooled.connect() as connection:
        assert [each.id for each in list_decisions(connection)] == [number]
    assert undo(pooled, number, user_id=who)


def test_processes_share_the_limits_of_hosts(pooled: Engine) -> None:
    limits = HostLimits(max_concurrent=2, requests_per_second=100)
    with (
        SharedHostLimiter(pooled, LocalHostLimiter(limits)) as first,
        SharedHostLimiter(pooled, LocalHostLimiter(limits)) as second,
    ):
        for limiter in (first, second):
            wait_for(lambda each=limiter: each.try_start("a.example") == 0)  # type: ignore[misc]
        with pooled.connect() as connection:
            shares = connection.execute(text("SELECT slots FROM host_lease")).scalars().all()
    assert shares == [1, 1]


def test_an_index_needs_a_session_of_its_own(pooled: Engine) -> None:
    with pooled.begin() as connection:
        register_encoder(
            connection, name="e", sha256="e" * 64, network="timm:none", dimension=8, licence=""
        )
        encoder = find_encoder(connection, "e")
    with pytest.raises(UsageError, match="Postgres itself"):
        make_index(pooled, encoder)


def test_a_worker_does_a_job(
    pooled: Engine, sandbox: Sandbox, environment: dict[str, str], database_url: str
) -> None:
    ids = [item.id for item in sandbox.catalogue.items[:300]]
    job_id = jobs.enqueue(pooled, ids, FILES_FIRST).job_id
    environment["WORKER_CHUNKS_IN_FLIGHT"] = "4"
    assert environment["DATABASE_URL"] != database_url
    with worker(environment):
        assert wait_until_done(pooled, job_id).waiting == 0
    enriched, failed = outcomes(pooled, job_id)
    assert len(enriched) + len(failed) == 300


def test_a_worker_goes_on_when_postgres_behind_it_starts_again(
    engine: Engine,  # which is not pooled, since it comes first
    pooled: Engine,
    sandbox: Sandbox,
    environment: dict[str, str],
    services: Services,
) -> None:
    assert environment["DATABASE_URL"] == pooled.url.render_as_string()
    ids = [item.id for item in sandbox.catalogue.items]
    job_id = jobs.enqueue(engine, ids).job_id
    with worker(environment):
        wait_for(lambda: jobs.status(engine, job_id).settled > 0)
        services.postgres.stop()
        services.postgres.start()
        assert wait_until_done(engine, job_id).waiting == 0
