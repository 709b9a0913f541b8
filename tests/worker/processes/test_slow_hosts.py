"""One host that takes seconds to answer: neither the records of others nor other jobs wait."""

from collections.abc import Iterator
from itertools import islice

import pytest
from sqlalchemy import Engine

from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox
from tests.waiting import wait_for
from tests.worker.processes.running import chunk_states, outcomes, wait_until_done, worker
from worker import jobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SLOW_SECONDS = 4.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    catalogue = draw_collection(items=300)
    slow_host = catalogue.hosts[0]
    faults = Faults(hosts={slow_host: [Fault(kind="latency", seconds=SLOW_SECONDS)]})
    with Sandbox(catalogue, faults=faults, image_hosts=len(catalogue.hosts)) as running:
        yield running


def test_the_others_are_enriched_before_a_slow_host_has_answered(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    catalogue = sandbox.catalogue
    sound = [each for each in catalogue.items if each.id not in catalogue.broken]
    slow = [each.id for each in sound if each.host == catalogue.hosts[0]][:4]
    quick = {each.id for each in islice(sound, 100) if each.host != catalogue.hosts[0]}
    one_at_a_time = {"FETCH_REQUESTS_AT_A_TIME": "1"}
    job_id = jobs.enqueue(engine, [*slow, *quick], jobs.JobOptions(picture="media")).job_id
    with worker(environment | one_at_a_time):
        wait_for(lambda: quick <= outcomes(engine, job_id)[0])
        before = jobs.status(engine, job_id)
        after = wait_until_done(engine, job_id)
    assert before.put_off >= len(slow) - 1
    assert (after.enriched, after.failed) == (len(slow) + len(quick), 0)


def test_a_worker_whose_chunks_all_wait_for_a_slow_host_takes_the_next_job(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    catalogue = sandbox.catalogue
    sound = [each for each in catalogue.items if each.id not in catalogue.broken]
    of_slow_host = [each.id for each in sound if each.host == catalogue.hosts[0]]
    slow, others = of_slow_host[:10], [each.id for each in sound if each.id not in of_slow_host]
    media = jobs.JobOptions(picture="media")
    waiting = jobs.enqueue(engine, [*slow, *others[:40]], media).job_id
    with worker(environment | {"FETCH_REQUESTS_AT_A_TIME": "1"}):
        wait_for(lambda: jobs.status(engine, waiting).put_off >= len(slow) - 1)
        wait_for(lambda: chunk_states(engine, waiting).get("leased", 0) == 1)
        wait_until_done(engine, jobs.enqueue(engine, others[40:60], media).job_id)
        assert chunk_states(engine, waiting)["leased"] == 1
        jobs.cancel(engine, waiting)
