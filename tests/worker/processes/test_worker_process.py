"""Real worker processes against a real store and HTTP: nothing lost, nothing twice."""

import signal

import pytest
from sqlalchemy import Engine

from deploy.sandbox.server import Sandbox
from tests.waiting import wait_for
from tests.worker.processes.running import (
    FILES_FIRST,
    RUN,
    TIMEOUT,
    forget_enrichments,
    outcomes,
    wait_until_done,
    worker,
)
from worker import jobs

pytestmark = pytest.mark.timeout(4 * TIMEOUT)


def test_every_record_comes_to_one_outcome(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    catalogue = sandbox.catalogue
    old_id, present_id = next(iter(catalogue.moved.items()))
    withdrawn = min(catalogue.deleted)
    ids = [item.id for item in catalogue.items[:60]]
    accepted = jobs.enqueue(engine, [*ids, old_id, withdrawn, "/91001/nobody_knows"])
    with worker(environment, RUN):
        status = wait_until_done(engine, accepted.job_id)
    enriched, failed = outcomes(engine, accepted.job_id)
    assert status.classified + status.failed == 63
    assert status.failed == len(failed)
    assert status.enriched == len(enriched | {old_id}) - (present_id not in enriched)
    assert failed[withdrawn] == "deleted"
    assert failed["/91001/nobody_knows"] == "unknown_record"
    assert present_id in enriched
    assert old_id not in enriched


def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    ids = [item.id for item in sandbox.catalogue.items]
    undisturbed = jobs.enqueue(engine, ids, FILES_FIRST).job_id
    with worker(environment):
        calm = wait_until_done(engine, undisturbed)
    expected = outcomes(engine, undisturbed)
    forget_enrichments(engine)
    disturbed = jobs.enqueue(engine, ids, FILES_FIRST).job_id
    with worker(environment) as victim:
        wait_for(lambda: 0 < jobs.status(engine, disturbed).settled < len(ids))
        victim.send_signal(signal.SIGKILL)
    interrupted = jobs.status(engine, disturbed)
    assert interrupted.state == "running"
    with worker(environment):
        status = wait_until_done(engine, disturbed)
    assert outcomes(engine, disturbed) == expected
    assert (status.enriched, status.failed) == (calm.enriched, calm.failed)
    assert status.waiting == 0
