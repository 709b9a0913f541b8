"""Programs of two releases on one store: this one beside the first, and beside one that is a
migration ahead."""

import shutil
import socket
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from common.store.session import MIGRATIONS
from deploy.sandbox.server import Sandbox
from tests.waiting import wait_for
from tests.worker.conftest import CONCEPTS
from tests.worker.processes.running import (
    REPOSITORY,
    RUN,
    TIMEOUT,
    WORKER,
    is_ready,
    run_from,
    wait_until_done,
    worker,
)
from worker import jobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * TIMEOUT)]

ALEMBIC = str(Path(sys.executable).with_name("alembic"))
TO_HEAD = ("upgrade", "head")
HEAD = ScriptDirectory(str(MIGRATIONS)).get_current_head()
PARTS = ("common", "worker", "migrations", "alembic.ini")  # what a worker needs of a release
MIGRATION = f"""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9999", "{HEAD}", None, None


def upgrade() -> None:
"""
EXPANDING = """
    op.add_column("job_chunk", sa.Column("note", sa.Text(), nullable=True))
    op.create_table("note", sa.Column("id", sa.Integer(), primary_key=True))
"""
CONTRACTING = """
    op.drop_column("job", "submitter")
    op.execute("UPDATE schema_compatibility SET serves_from = '9998'")
"""


def newer_release(folder: Path, upgrade: str) -> dict[str, str]:
    """What has a process run this code with one more migration, from a copy of it."""
    folder.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (REPOSITORY / part).is_dir() else shutil.copy
        copy(REPOSITORY / part, folder / part)
    (folder / "migrations" / "versions" / "9999_newer.py").write_text(MIGRATION + upgrade)
    return run_from(folder)


FIRST_RELEASE = "338cc59"  # 0.1.0
SAVE_MODEL = f"""
import sys
from pathlib import Path
from common.vision.model import Description, save_bundle
from common.vision.network import build_classifier
from common.vision.preprocessing import Preprocessing

uris = {tuple(CONCEPTS)}
description = Description(
    architecture="squeezenet1_1", labels=("map", "painting"), concept_uris=uris,
    preprocessing=Preprocessing(size=32), kind="single", temperature=1.0,
    thresholds=dict(zip(uris, (0.0, None))), picture_source="media", created_from=dict(),
)
weights = [build_classifier("squeezenet1_1", classes=2, size=32).state_dict()]
print(save_bundle(Path(sys.argv[1]), description, weights), end="")
"""  # a worker gives back the chunks of a model that is newer than it


def first_release(folder: Path) -> dict[str, str]:
    """What has a process run 0.1.0."""
    folder.mkdir()
    packed = subprocess.run(
        ["git", "archive", FIRST_RELEASE], cwd=REPOSITORY, capture_output=True, check=False
    )
    if packed.returncode:
        pytest.skip(f"needs {FIRST_RELEASE}, which this checkout lacks: {packed.stderr.decode()}")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return run_from(folder)


def run(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )


def runs_and_is_ready(process: subprocess.Popen[bytes], heartbeat: Path) -> bool:
    assert process.poll() is None, process.communicate()
    return is_ready(heartbeat)


def errors_until_end(process: subprocess.Popen[bytes]) -> list[str]:
    """Stop a worker, as one does; returns the errors in its log."""
    process.terminate()
    _, log = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    return [line for line in log.decode().splitlines() if '"error"' in line or "Error" in line]


def chunks_done(engine: Engine, job_id: UUID) -> dict[str, int]:
    """How many chunks each worker has done, at their first try."""
    with engine.connect() as connection:
        counted = text("""
            SELECT worker, count(*) FROM job_chunk
            WHERE job_id = :job_id AND state = 'done' AND token = 1 GROUP BY worker
        """)
        return {row.worker: row.count for row in connection.execute(counted, {"job_id": job_id})}


def test_workers_of_two_releases_finish_a_job_side_by_side(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    this = environment | run_from(REPOSITORY)
    newer = environment | newer_release(tmp_path / "newer", EXPANDING)
    assert run(newer, ALEMBIC, *TO_HEAD).returncode == 0
    beats = [tmp_path / "beats-of-this", tmp_path / "beats-of-the-newer"]
    beating = [{"WORKER_HEARTBEAT_FILE": str(beat)} for beat in beats]
    with worker(this | beating[0], RUN) as first, worker(newer | beating[1], RUN) as second:
        wait_for(lambda: all(map(runs_and_is_ready, (first, second), beats)))
        ids = [item.id for item in sandbox.catalogue.items if item.thumbnail]
        job_id = jobs.enqueue(engine, ids, jobs.JobOptions(picture="thumbnail")).job_id
        assert wait_until_done(engine, job_id).enriched == len(ids)
        assert [errors_until_end(each) for each in (first, second)] == [[], []]
    done = chunks_done(engine, job_id)
    assert set(done) == {f"{socket.gethostname()}:{each.pid}" for each in (first, second)}
    assert sum(done.values()) == 3


@pytest.mark.usefixtures("engine")
def test_a_newer_program_waits_for_its_migration(
    environment: dict[str, str], tmp_path: Path
) -> None:
    newer = environment | newer_release(tmp_path / "newer", EXPANDING)
    refused = run(newer, WORKER, "run")
    assert refused.returncode == 1
    assert (
        f" is at migration {HEAD}; this program needs 9999. Run: enrichment prepare"
        in refused.stderr
    )


def test_a_worker_that_the_schema_has_left_behind_refuses_to_start(
    environment: dict[str, str], tmp_path: Path
) -> None:
    this = environment | run_from(REPOSITORY)
    newer = environment | newer_release(tmp_path / "newer", CONTRACTING)
    assert run(newer, ALEMBIC, *TO_HEAD).returncode == 0
    message = (
        " is at migration 9999 and works only with programs from migration 9998 on; this "
        f"program has {HEAD}. "
        "Install a newer release."
    )
    refused = run(this, WORKER, "run")
    assert (refused.returncode, message in refused.stderr) == (1, True)


def test_a_worker_of_the_first_release_works_on_a_job_beside_one_of_this(
    engine: Engine,
    sandbox: Sandbox,
    environment: dict[str, str],
    broker_url: str,
    tmp_path: Path,
) -> None:
    first = environment | first_release(tmp_path / "first") | {"BROKER_URL": broker_url}
    shutil.rmtree(tmp_path / "models")
    saved = run(first, sys.executable, "-P", "-c", SAVE_MODEL, str(tmp_path / "models" / "test-1"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET sha256 = :sha256"), {"sha256": saved.stdout})
    beats = [tmp_path / "beats-of-the-first", tmp_path / "beats-of-this"]
    beating = [{"WORKER_HEARTBEAT_FILE": str(beat)} for beat in beats]
    this = environment | run_from(REPOSITORY)
    with worker(first | beating[0], RUN) as old, worker(this | beating[1], RUN) as new:
        wait_for(lambda: runs_and_is_ready(new, beats[1]))
        wait_for(lambda: beats[0].exists() and beats[0].read_text() == "alive, model loaded\n")
        ids = [item.id for item in sandbox.catalogue.items if item.thumbnail]
        job_id = jobs.enqueue(engine, ids, jobs.JobOptions(picture="thumbnail")).job_id
        assert wait_until_done(engine, job_id).enriched == len(ids)
        assert [errors_until_end(each) for each in (old, new)] == [[], []]
    done = chunks_done(engine, job_id)
    assert set(done) == {f"{socket.gethostname()}:{each.pid}" for each in (old, new)}
    assert sum(done.values()) == 3
