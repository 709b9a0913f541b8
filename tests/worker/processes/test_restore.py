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
from tests.databases import UNWATCH
from tests.waiting import wait_for
from tests.worker.processes.running import (
    TIMEOUT,
    chunk_states,
    forget_enrichments,
    outcomes,
    wait_until_done,
    worker,
)
from worker import jobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * TIMEOUT)]

FOLDERS = ("models", "heatmaps")
OPTIONS = jobs.JobOptions(picture="thumbnail", explain=True, priority="urgent")  # small chunks
PAGE = Path(__file__).resolve().parents[3] / "docs/runbooks/backup.md"
# A new server has no role of the old one, and who restores need be no superuser.
RESTORE = ("--exit-on-error", "--no-owner", "--no-privileges", "--no-comments")
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
    dump_store(database_url, there / "store.dump")
    archive = ["tar", "--create", f"--file={there / 'folders.tar'}", *FOLDERS]
    done = subprocess.run(archive, cwd=folders, check=False)
    assert done.returncode in (0, 1)  # 1: the worker wrote or renamed a file meanwhile


def dump_store(database_url: str, dump: Path) -> None:
    run_of_postgres("pg_dump", "--format=custom", f"--file={dump}", libpq(database_url))


def restore(there: Path, database_url: str, folders: Path) -> None:
    """First the folders, then the store."""
    archive = ["tar", "--extract", f"--file={there / 'folders.tar'}"]
    subprocess.run(archive, cwd=folders, check=True)
    restore_store(there / "store.dump", database_url)


def restore_store(dump: Path, database_url: str) -> None:
    run_of_postgres("pg_restore", *RESTORE, f"--dbname={libpq(database_url)}", dump)


def typed(database_url: str, *statements: str) -> None:
    """Statements that an administrator types, each by itself."""
    administered = create_engine(database_url, isolation_level="AUTOCOMMIT")
    with administered.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    administered.dispose()


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


@pytest.fixture
def role(engine: Engine) -> Iterator[str]:
    """A role that may read one view of the store, as KEDA's may."""
    name = "reads_the_old_store"
    url = engine.url.render_as_string(hide_password=False)
    typed(url, *UNWATCH, f"CREATE ROLE {name}", f"GRANT SELECT ON ledger_load TO {name}")
    yield name
    typed(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.mark.usefixtures("role")
def test_a_new_server_needs_no_role_of_the_old_one(engine: Engine, tmp_path: Path) -> None:
    dump = tmp_path / "store.dump"
    dump_store(engine.url.render_as_string(hide_password=False), dump)
    with local_services() as fresh:
        url = fresh.postgres.database_url("enrichment")
        create = ("CREATE ROLE enrichment LOGIN", "CREATE DATABASE enrichment OWNER enrichment")
        typed(fresh.database_url, *create)
        typed(url, "CREATE EXTENSION vector")
        ours = url.replace("postgres@", "enrichment@")
        restore_store(dump, ours)
        store = create_engine(ours)
        with store.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM ledger_load")).scalar_one() == 1
        store.dispose()


def test_the_page_restores_as_the_tests_do() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if " store.dump" in line]
    restoring = [line for line in lines if "pg_restore" in line]
    assert restoring
    assert all(" ".join(RESTORE) in line for line in restoring), restoring
