"""Real worker processes against a real store, broker and HTTP: nothing lost, nothing twice."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

import pytest
import redis
from celery import Celery
from sqlalchemy import Engine

from common.store.refused_messages import list_refused
from deploy.local import Services
from deploy.sandbox.server import Sandbox
from tests.forking import Forked
from tests.read_only_postgres import reading_only
from tests.waiting import wait_for
from tests.worker.processes.running import (
    FILES_FIRST,
    RUN,
    TIMEOUT,
    chunk_states,
    forget_enrichments,
    job_ids,
    outcomes,
    wait_until_done,
    worker,
)
from worker import jobs
from worker.process.tasks import AGAIN_SECONDS, SUBMIT, SUBMIT_QUEUE

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


@pytest.mark.slow
def test_losing_every_message_delays_and_loses_nothing(
    engine: Engine, services: Services, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    job_id = jobs.enqueue(engine, [item.id for item in sandbox.catalogue.items[:300]]).job_id
    with worker(environment):
        wait_for(lambda: chunk_states(engine, job_id).get("leased", 0) == 1)
        with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
            client.flushall()
        services.broker.kill()
        services.broker.start()
        assert wait_until_done(engine, job_id).waiting == 0


def test_another_system_submits_by_message(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], broker_url: str
) -> None:
    with Celery(broker=broker_url, set_as_current=False) as client:
        for _ in range(2):
            client.send_task(
                SUBMIT,
                args=[[item.id for item in sandbox.catalogue.items[:5]]],
                kwargs={"idempotency_key": "nightly"},
                queue=SUBMIT_QUEUE,
            )
        client.send_task(SUBMIT, args=[["nonsense"]], queue=SUBMIT_QUEUE)
    with worker(environment):
        wait_for(lambda: len(job_ids(engine)) == 1)
        assert wait_until_done(engine, job_ids(engine)[0]).total == 5
    assert len(job_ids(engine)) == 1


@dataclass(frozen=True)
class Listener:
    """A worker that hears lists, and its broker; `send` sends it one."""

    worker: subprocess.Popen[bytes] | Forked
    valkey: "redis.Redis"
    send: Callable[[], object]

    def has_taken_it(self) -> bool:
        """Whether the list is in work."""
        return self.valkey.hlen("unacked") == 1


@pytest.fixture
def listener(
    sandbox: Sandbox, environment: dict[str, str], services: Services, broker_url: str
) -> Iterator[Listener]:
    with (
        worker(environment) as process,
        Celery(broker=broker_url, set_as_current=False) as client,
        redis.Redis(unix_socket_path=str(services.broker.socket_path)) as valkey,
    ):
        wait_for(lambda: valkey.pubsub_numpat() == 1)
        a_list = [[sandbox.catalogue.items[0].id]]
        yield Listener(
            process, valkey, lambda: client.send_task(SUBMIT, args=a_list, queue=SUBMIT_QUEUE)
        )


@pytest.mark.slow
def test_a_list_that_comes_while_the_database_is_away_is_accepted_afterwards(
    engine: Engine, services: Services, listener: Listener
) -> None:
    services.postgres.kill()
    try:
        listener.send()
        wait_for(listener.has_taken_it)
    finally:
        services.postgres.start()
    wait_for(lambda: len(job_ids(engine)) == 1)


@pytest.mark.slow
def test_a_list_outlasts_a_broker_that_does_not_take_it_back(
    services: Services, listener: Listener
) -> None:
    valkey = listener.valkey
    services.postgres.kill()
    try:
        listener.send()
        wait_for(listener.has_taken_it)
        valkey.config_set("maxmemory", 1)
        time.sleep(AGAIN_SECONDS + 5)
        assert listener.worker.poll() is None
        assert valkey.hlen("unacked") + valkey.llen(SUBMIT_QUEUE) == 1
    finally:
        valkey.config_set("maxmemory", 0)
        services.postgres.start()


@pytest.mark.slow
def test_a_list_that_comes_while_the_database_only_reads_is_accepted_afterwards(
    engine: Engine, listener: Listener
) -> None:
    with reading_only(engine):
        listener.send()
        wait_for(listener.has_taken_it)
        time.sleep(1)
    wait_for(lambda: len(job_ids(engine)) == 1)


def test_what_is_no_message_is_put_aside(
    engine: Engine, services: Services, environment: dict[str, str]
) -> None:
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        client.lpush(SUBMIT_QUEUE, "garbage")
    with worker(environment):
        wait_for(lambda: bool(list_refused(engine)))
    (row,) = list_refused(engine)
    assert (row.queue, row.sha256) == (SUBMIT_QUEUE, sha256(b"garbage").hexdigest())
