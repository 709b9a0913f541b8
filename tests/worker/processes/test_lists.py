"""Lists of other systems, which a program of the worker's takes from the broker."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from celery import Celery
from sqlalchemy import Engine, text

from common.errors import BrokerError
from common.process.settings import BrokerSettings
from deploy.local import Services
from deploy.sandbox.server import Sandbox
from tests.read_only_postgres import reading_only
from tests.waiting import wait_for
from tests.worker.processes.lists import odd_message, send_list, valkey_of
from tests.worker.processes.running import TIMEOUT, job_ids, wait_until_done, worker
from worker.ledger.roster import live_workers
from worker.process import list_taker
from worker.process.list_program import SUBMIT_QUEUE
from worker.process.list_taker import ListTaker

pytestmark = pytest.mark.timeout(4 * TIMEOUT)
RUNBOOK = Path(__file__).resolve().parents[3] / "docs/runbooks/broken.md"


@pytest.fixture
def taker(model_id: int, broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ListTaker]:
    """What a worker has, without a worker around it."""
    monkeypatch.setattr(list_taker, "FIRST_DELAY", 0.1)
    taker = ListTaker(BrokerSettings.read())
    taker.start()
    yield taker
    taker.stop()


def programs_of(pid: int) -> list[int]:
    """The programs that a process has started to take lists."""
    children = [
        int(child)
        for thread in Path(f"/proc/{pid}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]
    return [child for child in children if b"list_program" in _command(child)]


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def is_program(pid: int) -> bool:
    try:
        return b"list_program" in _command(pid)
    except FileNotFoundError:
        return False


def test_another_system_submits_and_the_program_ends_with_its_worker(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], broker_url: str
) -> None:
    for _ in range(2):
        ids = [item.id for item in sandbox.catalogue.items[:5]]
        send_list(broker_url, ids, idempotency_key="nightly")
    send_list(broker_url, ["nonsense"])
    with worker(environment | {"BROKER_URL": broker_url}) as process:
        wait_for(lambda: len(job_ids(engine)) == 1)
        assert wait_until_done(engine, job_ids(engine)[0]).total == 5
        (program,) = programs_of(process.pid)
        assert not any(b"libtorch" in line for line in _maps(program))
        process.kill()
        wait_for(lambda: not is_program(program))
    assert len(job_ids(engine)) == 1


def _maps(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/maps").read_bytes().splitlines()


def test_a_message_that_is_none_of_ours_is_deleted_and_not_shown(
    engine: Engine, model_id: int, broker_url: str
) -> None:
    with Celery(broker=broker_url, set_as_current=False) as client:
        client.send_task("os.system", args=["hunter2"], queue=SUBMIT_QUEUE)
    send_list(broker_url, ["/1/a"])
    with Popen(list_taker.COMMAND, stdin=PIPE, stdout=PIPE, stderr=PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.read(1)
        log = program.communicate()[1].decode()
    assert "a message was refused and deleted" in log
    assert "hunter2" not in log


def test_a_program_that_is_killed_is_started_again(
    engine: Engine, broker_url: str, taker: ListTaker
) -> None:
    wait_for(lambda: len(programs_of(os.getpid())) == 1)
    (killed,) = programs_of(os.getpid())
    os.kill(killed, signal.SIGKILL)
    send_list(broker_url, ["/1/a"])
    wait_for(lambda: len(job_ids(engine)) == 1)


@pytest.mark.slow
def test_a_message_that_ends_the_program_is_removed_by_hand(
    engine: Engine,
    services: Services,
    environment: dict[str, str],
    broker_url: str,
) -> None:
    """By the runbook's two commands; jobs go on meanwhile."""
    assert f"RPOP {SUBMIT_QUEUE}" in RUNBOOK.read_text()
    with valkey_of(services) as valkey, worker(environment | {"BROKER_URL": broker_url}) as process:
        valkey.rpush(SUBMIT_QUEUE, odd_message())
        wait_for(lambda: any(RUNBOOK.name in problem for problem in problems(engine)))
        assert process.poll() is None
        send_list(broker_url, ["/1/a"])
        assert valkey.llen(SUBMIT_QUEUE) == 2
        valkey.rpop(SUBMIT_QUEUE)
        process.send_signal(signal.SIGUSR1)
        wait_for(lambda: len(job_ids(engine)) == 1)


def problems(engine: Engine) -> list[str]:
    """What the live workers lack."""
    return [problem.what for each in live_workers(engine) for problem in each.problems]


def test_a_program_that_ends_again_and_again_waits_and_names_the_runbook(
    engine: Engine, services: Services, broker_url: str, taker: ListTaker
) -> None:
    with valkey_of(services) as valkey:
        valkey.lpush(SUBMIT_QUEUE, odd_message())
        wait_for(lambda: taker.seconds_until_next() == list_taker.TEN_MINUTES)
        with pytest.raises(BrokerError, match=r"ended 3 times.* See docs/runbooks/broken.md#lists"):
            taker.check()
        assert valkey.rpop(SUBMIT_QUEUE) is not None
    taker.wake()
    send_list(broker_url, ["/1/a"])
    wait_for(lambda: len(job_ids(engine)) == 1)
    taker.check()


@pytest.mark.slow
def test_a_list_that_comes_while_the_database_is_away_is_accepted_afterwards(
    engine: Engine, services: Services, broker_url: str, taker: ListTaker
) -> None:
    with valkey_of(services) as valkey:
        services.postgres.kill()
        try:
            send_list(broker_url, ["/1/a"])
            wait_for(lambda: valkey.hlen("unacked") == 1)
        finally:
            services.postgres.start()
        wait_for(lambda: len(job_ids(engine)) == 1)


@pytest.mark.slow
def test_a_list_that_comes_while_the_database_only_reads_is_accepted_afterwards(
    engine: Engine, services: Services, broker_url: str, taker: ListTaker
) -> None:
    with valkey_of(services) as valkey, reading_only(engine):
        send_list(broker_url, ["/1/a"])
        wait_for(lambda: valkey.hlen("unacked") == 1)
        time.sleep(1)
    wait_for(lambda: len(job_ids(engine)) == 1)


@pytest.mark.slow
def test_a_broker_that_dies_before_it_hears_of_an_accepted_list_stalls_no_other(
    engine: Engine, services: Services, broker_url: str, taker: ListTaker
) -> None:
    wait_for(lambda: programs_of(os.getpid()))
    (program,) = programs_of(os.getpid())
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE job IN ACCESS EXCLUSIVE MODE"))
        send_list(broker_url, ["/1/a"])
        waiting = text("SELECT FROM pg_locks WHERE NOT granted")
        wait_for(lambda: connection.execute(waiting).first() is not None)
        services.broker.kill()
    wait_for(lambda: len(job_ids(engine)) == 1)
    wait_for(lambda: not is_program(program))
    services.broker.start()
    send_list(broker_url, ["/1/b"])
    wait_for(lambda: len(job_ids(engine)) == 2)


@pytest.mark.slow
def test_a_list_outlasts_a_broker_that_starts_again(
    engine: Engine, services: Services, broker_url: str, taker: ListTaker
) -> None:
    send_list(broker_url, ["/1/a"])
    wait_for(lambda: len(job_ids(engine)) == 1)
    services.broker.kill()
    services.broker.start()
    send_list(broker_url, ["/1/b"])
    wait_for(lambda: len(job_ids(engine)) == 2)
