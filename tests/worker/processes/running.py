"""Worker processes, and what became of their jobs."""

import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen
from uuid import UUID

from sqlalchemy import Engine, text

from common.errors import EnrichmentError
from tests.forking import Forked
from tests.waiting import wait_for
from worker import jobs
from worker.process.health import check_alive

REPOSITORY = Path(__file__).resolve().parents[3]
WORKER = str(Path(sys.executable).with_name("worker"))
RUN = (WORKER, "run")
FILES_FIRST = jobs.JobOptions(picture="auto")  # from many hosts, some of which are dead
TIMEOUT = 300.0  # seconds; on a busy machine torch alone takes many to import


@contextmanager
def worker(
    environment: dict[str, str], command: Sequence[str] = (), *, module: str = "worker.cli"
) -> Iterator[subprocess.Popen[bytes] | Forked]:
    """A worker process, which ends with the block, by SIGTERM if nothing ended it before.

    It is forked, and runs `module`.main(), unless there is a command to start it by, such as RUN.
    """
    process: subprocess.Popen[bytes] | Forked
    if command:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, env=environment, cwd=REPOSITORY, stdout=pipe, stderr=pipe
        )
    else:
        process = Forked(module, "run", environment=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT)


def run_from(folder: Path = REPOSITORY) -> dict[str, str]:
    """What has a process run the release in this folder."""
    return {"PYTHONPATH": str(folder), "ALEMBIC_CONFIG": str(folder / "alembic.ini")}


def is_ready(heartbeat: Path) -> bool:
    """Whether the worker of a heartbeat file is alive and can work."""
    try:
        check_alive(heartbeat, ready=True)
    except EnrichmentError:
        return False
    return True


def wait_until_done(engine: Engine, job_id: UUID) -> jobs.Status:
    wait_for(lambda: jobs.status(engine, job_id).state == "done")
    return jobs.status(engine, job_id)


def outcomes(engine: Engine, job_id: UUID) -> tuple[set[str], dict[str, str]]:
    """The enriched records and the reasons of the failed ones, as the job's rows have them.

    What an earlier job found out the same stays that one's: see `forget_enrichments`.
    """
    with engine.connect() as connection:
        asked = {"job_id": job_id}
        enriched = connection.execute(
            text("SELECT record_id FROM enrichment WHERE job_id = :job_id"), asked
        )
        failed = connection.execute(
            text("SELECT record_id, reason FROM job_failure WHERE job_id = :job_id"), asked
        )
        return set(enriched.scalars()), {row.record_id: row.reason for row in failed}


def forget_enrichments(engine: Engine) -> None:
    """Have the next job find out everything for itself."""
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM enrichment"))


def chunk_states(engine: Engine, job_id: UUID) -> dict[str, int]:
    with engine.connect() as connection:
        counted = text(
            "SELECT state, count(*) FROM job_chunk WHERE job_id = :job_id GROUP BY state"
        )
        return {row.state: row.count for row in connection.execute(counted, {"job_id": job_id})}


def job_ids(engine: Engine) -> list[UUID]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT id FROM job")).scalars())


def scrape(port: int) -> dict[str, float]:
    """The metrics of a worker that serves them at this port, by name and labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
