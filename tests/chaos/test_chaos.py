"""Everything goes wrong at once, and in the end every record has come to the outcome it should.

`make test-all` runs the short form; `make chaos` runs the long one, with CHAOS_RECORDS records.
What happens is drawn from CHAOS_SEED; when it hits a worker differs from run to run.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
import redis
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from common.europeana.api import EuropeanaApi
from common.process.settings import ApiSettings
from common.reasons import Reason
from common.store.signals import wake_workers
from deploy.local import Services
from deploy.sandbox.server import Sandbox
from tests.chaos.conftest import POISON, RECORDS
from tests.chaos.workers import FREEZE_FILE, LIMITS
from tests.forking import start
from tests.waiting import wait_for
from tests.worker.processes.lists import odd_message, send_list
from tests.worker.processes.running import FILES_FIRST, forget_enrichments, job_ids, outcomes
from worker import jobs
from worker.enrich.resolve import RecordResolver
from worker.ledger.sweep import MAX_ATTEMPTS
from worker.process.list_program import SUBMIT_QUEUE

SEED = int(os.environ.get("CHAOS_SEED", "1"))
WORKERS = 3
LEASE_SECONDS = 2
TIMEOUT = 300 + RECORDS / 10  # seconds
STRIKES = max(10, RECORDS // 100)  # ten are one of each kind, and two kills
PAUSE = 0.7  # seconds between them
VICTIM_WITHIN = 60  # seconds; when all workers are dead, others are being started
GARBAGE = 20  # messages at a time
WAKE_UPS = 200
MOST_FOR_A_LIST = 60  # seconds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * TIMEOUT + 120)]


class Chaos:
    """What can go wrong, each by its own method; in a random order, all before one comes again."""

    kinds = (
        *("kill", "kill", "freeze", "freeze_claiming", "flush", "garble", "cut"),
        *("restart_broker", "restart_postgres", "wake"),
    )

    def __init__(
        self, supervisor: int, services: Services, engine: Engine, *, freeze_file: Path
    ) -> None:
        self._supervisor = supervisor
        self._freeze_file = freeze_file
        self._services = services
        self._engine = engine
        self._random = Random(SEED)
        self._next: list[str] = []
        self.happened: list[str] = []

    def strike(self) -> None:
        """The next thing, until there have been STRIKES; then quiet."""
        time.sleep(PAUSE)
        if len(self.happened) == STRIKES:
            return
        if not self._next:
            self._next = self._random.sample(self.kinds, len(self.kinds))
        self.happened.append(self._next.pop())
        getattr(self, self.happened[-1])()

    def kill(self) -> None:
        self._signal(self._worker(), signal.SIGKILL)

    def freeze(self) -> None:
        """Stop a worker past its lease; it wakes up and believes that it still has it."""
        victim = self._worker()
        self._signal(victim, signal.SIGSTOP)
        time.sleep(1.5 * LEASE_SECONDS)
        self._signal(victim, signal.SIGCONT)

    def freeze_claiming(self) -> None:
        """Stop a worker that has locked a chunk for a claim, until Postgres ends the claim."""
        self._freeze_file.touch()
        victim = self._wait_for_frozen()
        time.sleep(1.5 * LIMITS.pause)
        self._signal(victim, signal.SIGCONT)

    def _wait_for_frozen(self) -> int:
        """The worker that stopped itself; 0 once there is nothing left to claim."""
        deadline = time.monotonic() + VICTIM_WITHIN
        while not (frozen := list(self._freeze_file.parent.glob(f"{self._freeze_file.name}.*"))):
            assert time.monotonic() < deadline, "nobody claims"
            if not self._is_work_left():
                with suppress(FileNotFoundError):  # somebody has taken it just now
                    self._freeze_file.unlink()
                    return 0
            time.sleep(0.05)
        frozen[0].unlink()
        return int(frozen[0].suffix[1:])

    def _is_work_left(self) -> bool:
        try:
            with self._engine.connect() as connection:
                running = text("SELECT EXISTS (SELECT FROM job WHERE state = 'running')")
                return bool(connection.execute(running).scalar_one())
        except DBAPIError:  # cut, or restarted, just now
            return True

    def garble(self) -> None:
        """Send what is no message of ours, as anyone who reaches the broker can."""
        messages = ["garbage", "{}", odd_message()] * GARBAGE
        with redis.Redis(unix_socket_path=str(self._services.broker.socket_path)) as client:
            client.lpush(SUBMIT_QUEUE, *messages)

    def wake(self) -> None:
        """Send many more wake-ups than there is work."""
        with suppress(DBAPIError), self._engine.connect() as connection:
            for _ in range(WAKE_UPS):
                wake_workers(connection)
                connection.commit()

    def flush(self) -> None:
        with redis.Redis(unix_socket_path=str(self._services.broker.socket_path)) as client:
            client.flushall()

    def cut(self) -> None:
        """End connections in the middle of whatever they do, before or after their COMMIT."""
        with suppress(DBAPIError), self._engine.connect() as connection:
            connection.execute(
                text("""
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()
                      AND random() < 0.5
                """)
            )

    def restart_broker(self) -> None:
        self._services.broker.kill()
        self._services.broker.start()

    def restart_postgres(self) -> None:
        self._services.postgres.stop()
        self._services.postgres.start()

    def seconds_until_a_list_is_accepted(self) -> float:
        """After the runbook's commands against odd messages."""
        with redis.Redis(unix_socket_path=str(self._services.broker.socket_path)) as client:
            client.delete(SUBMIT_QUEUE)
        for each in self._workers():
            self._signal(each, signal.SIGUSR1)
        began, known = time.monotonic(), len(job_ids(self._engine))
        send_list(self._services.broker_url, ["/1/a"])
        wait_for(lambda: len(job_ids(self._engine)) > known)
        return time.monotonic() - began

    def _worker(self) -> int:
        return self._random.choice(self._workers() or [0])

    def _workers(self) -> list[int]:
        children = Path(f"/proc/{self._supervisor}/task/{self._supervisor}/children").read_text()
        return [int(pid) for pid in children.split()]

    def _signal(self, pid: int, number: signal.Signals) -> None:
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


@contextmanager
def workers(environment: dict[str, str], folder: Path, count: int = WORKERS) -> Iterator[int]:
    """Workers and who starts them again; yields that one's process ID."""
    settings = {
        "WORKER_LEASE_SECONDS": str(LEASE_SECONDS),
        FREEZE_FILE: str(folder / "freeze"),
    }
    supervisor = start(
        "tests.chaos.workers",
        str(count),
        environment=environment | settings,
        stderr=folder / "log",
    )
    assert supervisor.pid is not None
    try:
        yield supervisor.pid
    finally:
        supervisor.terminate()
        supervisor.join()


def is_done(engine: Engine, job_id: UUID) -> bool:
    try:
        return jobs.status(engine, job_id).state == "done"
    except DBAPIError:  # cut, or restarted, just now
        return False


def wait_until_done(engine: Engine, job_id: UUID, between: Callable[[], None]) -> jobs.Status:
    deadline = time.monotonic() + TIMEOUT
    while not is_done(engine, job_id):
        assert time.monotonic() < deadline, f"waited too long: {jobs.status(engine, job_id)}"
        between()
    return jobs.status(engine, job_id)


@pytest.fixture
def ids(
    engine: Engine,
    sandbox: Sandbox,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """All records of the sandbox, which the store knows, so that no time goes into look-ups."""
    for name in ("EUROPEANA_API_URL", "EUROPEANA_API_KEY"):
        monkeypatch.setenv(name, environment[name])
    ids = [item.id for item in sandbox.catalogue.items]
    with EuropeanaApi(ApiSettings.read()) as api:
        RecordResolver(engine, api, api_url=sandbox.url).resolve(ids, picture="auto")
    return ids


def test_in_the_end_every_outcome_is_as_if_nothing_had_happened(
    engine: Engine,
    services: Services,
    environment: dict[str, str],
    broker_url: str,
    ids: list[str],
    tmp_path: Path,
) -> None:
    harmless = [record_id for record_id in ids if record_id not in POISON]
    environment["BROKER_URL"] = broker_url
    calm = jobs.enqueue(engine, harmless, FILES_FIRST).job_id
    with workers(environment, tmp_path) as supervisor:
        wait_until_done(engine, calm, lambda: time.sleep(0.1))
        enriched, failed = outcomes(engine, calm)
        forget_enrichments(engine)
        chaos = Chaos(supervisor, services, engine, freeze_file=tmp_path / "freeze")
        rough = jobs.enqueue(engine, ids, FILES_FIRST).job_id
        status = wait_until_done(engine, rough, chaos.strike)
        assert chaos.seconds_until_a_list_is_accepted() < MOST_FOR_A_LIST
    assert set(chaos.happened) == set(chaos.kinds)
    expected = failed | dict.fromkeys(POISON, Reason.KILLED_WORKER.code)
    enriched_at_last, failed_at_last = outcomes(engine, rough)
    assert failed_at_last == expected
    assert enriched_at_last == enriched
    assert (status.total, status.waiting) == (len(ids), 0)
    assert (status.enriched, status.failed) == (len(enriched), len(expected))
    check_rows(engine, rough, set(ids))


def test_who_is_lost_with_a_culprit_is_not_taken_for_one(
    engine: Engine,
    environment: dict[str, str],
    sandbox: Sandbox,
    ids: list[str],
    tmp_path: Path,
) -> None:
    harmless = [each for each in ids if each not in sandbox.catalogue.broken and each not in POISON]
    alone = [
        jobs.enqueue(engine, [record_id], FILES_FIRST).job_id
        for record_id in (*harmless[:2], "/99/kills")  # the worker begins all of them at once
    ]
    several = environment | {"WORKER_CHUNKS_IN_FLIGHT": str(len(alone))}
    with workers(several, tmp_path, count=1):
        failed = [wait_until_done(engine, each, lambda: time.sleep(0.1)).failed for each in alone]
    assert failed == [0, 0, 1]


def check_rows(engine: Engine, job_id: UUID, ids: set[str]) -> None:
    """Each record is in one chunk, and no chunk was tried more often than is allowed."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("""
                SELECT id, attempt, token FROM job_chunk, unnest(record_ids) AS id
                WHERE job_id = :job_id
            """),
            {"job_id": job_id},
        ).all()
    assert len(rows) == len(ids)
    assert {row.id for row in rows} == ids
    assert max(row.attempt for row in rows) <= MAX_ATTEMPTS
