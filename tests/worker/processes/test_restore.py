"""A backup is taken while a job is under way; then everything is lost but the backup."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, text

from deploy.local import Services, local_services
from deploy.local.postgres import find_programs
from deploy.sandbox.server import Sandbox
from tests.worker.processes.running import (
    TIMEOUT,
    chunk_states,
    forget_enrichments,
    outcomes,
    wait_for,
    wait_until_done,
    worker,
)
from worker import jobs

pytestmark = pytest.mark.timeout(4 * TIMEOUT)

FOLDERS = ("models", "heatmaps")
OPTIONS = jobs.JobOptions(picture="thumbnail", explain=True, priority="urgent")  # small chunks
SOME = 48  # records, after which the backup begins
FAST, SLOW = ({"FETCH_THUMBNAILS_PER_SECOND": rate} for rate in ("500", "40"))


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Workers with both folders in one place, and with several chunks in work at a time."""
    folders = {"HEATMAP_DIR": str(tmp_path / "heatmaps"), "WORKER_CHUNKS_IN_FLIGHT": "3"}
    return environment | folders | FAST


@pytest.fixture
def mortal(services: Services) -> Iterator[Services]:
    """The services of all tests, which are there again for the next one."""
    yield services
    services.postgres.start()
    services.broker.start()


def run_of_postgres(program: str, *arguments: object) -> None:
    """A program of the same release: pg_dump refuses a server that is newer than itself."""
    path = find_programs() / program
    if not path.exists():
        pytest.skip(f"no {program} beside this Postgres")
    subprocess.run([path, *map(str, arguments)], check=True)


def libpq(url: str) -> str:
    """The address as programs of Postgres take it."""
    return url.replace("+psycopg2", "")


def back_up(database_url: str, there: Path, folders: Path) -> None:
    """As docs/runbooks/backup.md says: first the store, then the folders."""
    there.mkdir()
    dump = f"--file={there / 'store.dump'}"
    run_of_postgres("pg_dump", "--format=custom", dump, libpq(database_url))
    archive = ["tar", "--create", f"--file={there / 'folders.tar'}", *FOLDERS]
    done = subprocess.run(archive, cwd=folders, check=False)
    assert done.returncode in (0, 1)  # 1: the worker wrote or renamed a file meanwhile


def restore(there: Path, database_url: str, folders: Path) -> None:
    """First the folders, then the store."""
    archive = ["tar", "--extract", f"--file={there / 'folders.tar'}"]
    subprocess.run(archive, cwd=folders, check=True)
    into = f"--dbname={libpq(database_url)}"
    run_of_postgres("pg_restore", "--exit-on-error", "--no-owner", into, there / "store.dump")


def lose(services: Services, folders: Path) -> None:
    services.postgres.kill()
    services.broker.kill()
    for name in FOLDERS:
        shutil.rmtree(folders / name)


def enrichments(engine: Engine, job_id: UUID) -> dict[tuple[object, ...], float]:
    """The confidence of each enrichment, and whether it has a heatmap."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("""
                SELECT record_id, concept_uri, model_id, source, enrichment.image_url,
                       heatmap.sha256 IS NOT NULL, confidence
                FROM enrichment LEFT JOIN heatmap USING (record_id, concept_uri, model_id)
                WHERE job_id = :job_id
            """),
            {"job_id": job_id},
        )
        return {tuple(key): confidence for *key, confidence in rows}


def heatmaps_without_file(engine: Engine, folder: Path) -> set[str]:
    with engine.connect() as connection:
        known = set(connection.execute(text("SELECT sha256 FROM heatmap")).scalars())
    return known - {path.name.partition(".")[0] for path in folder.glob("*/*.heatmap.jpg")}


def records_of_chunks(engine: Engine, job_id: UUID) -> list[str]:
    with engine.connect() as connection:
        listed = text("SELECT unnest(record_ids) FROM job_chunk WHERE job_id = :job_id")
        return sorted(connection.execute(listed, {"job_id": job_id}).scalars())


def backed_up_under_way(engine: Engine, environment: dict[str, str], ids: list[str]) -> UUID:
    """A job whose worker is killed after a backup was taken while it worked, slowly."""
    folders = Path(environment["MODEL_DIR"]).parent
    job_id = jobs.enqueue(engine, ids, OPTIONS).job_id
    with worker(environment | SLOW) as lost:
        wait_for(lambda: jobs.status(engine, job_id).settled >= SOME)
        back_up(environment["DATABASE_URL"], folders / "backup", folders)
        assert jobs.status(engine, job_id).state == "running"
        lost.send_signal(signal.SIGKILL)
    return job_id


def test_a_job_under_way_is_finished_from_a_backup(
    engine: Engine,
    mortal: Services,
    sandbox: Sandbox,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    ids = [item.id for item in sandbox.catalogue.items]
    calm = jobs.enqueue(engine, ids, OPTIONS).job_id
    with worker(environment):
        undisturbed = wait_until_done(engine, calm)
    expected, expected_outcomes = enrichments(engine, calm), outcomes(engine, calm)
    forget_enrichments(engine)
    job_id = backed_up_under_way(engine, environment, ids)
    lose(mortal, tmp_path)
    with local_services() as fresh:
        restore(tmp_path / "backup", fresh.database_url, tmp_path)
        store = create_engine(fresh.database_url)
        assert SOME <= jobs.status(store, job_id).settled < len(ids)
        assert chunk_states(store, job_id)["leased"] > 0
        where = {"DATABASE_URL": fresh.database_url, "BROKER_URL": fresh.broker_url}
        with worker(environment | where):
            status = wait_until_done(store, job_id)
        assert outcomes(store, job_id) == expected_outcomes
        assert enrichments(store, job_id) == pytest.approx(expected, abs=1e-4)  # batches differ
        assert (status.enriched, status.failures) == (undisturbed.enriched, undisturbed.failures)
        assert status.settled == status.total == len(ids)
        assert records_of_chunks(store, job_id) == sorted(ids)
        assert heatmaps_without_file(store, tmp_path / "heatmaps") == set()
        store.dispose()
