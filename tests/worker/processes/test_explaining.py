"""Jobs that are to be explained, from the list to the page of heatmaps."""

import signal
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from deploy.sandbox.server import Sandbox
from tests.waiting import wait_for
from tests.worker.processes.running import wait_until_done, worker
from worker import jobs
from worker.cli import app
from worker.exports.selection import Selection, selected

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def folder(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HEATMAP_DIR, of the workers and of the commands."""
    kept = tmp_path / "heatmaps"
    environment["HEATMAP_DIR"] = str(kept)
    monkeypatch.setenv("HEATMAP_DIR", str(kept))
    return kept


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done.stdout


def heatmaps(engine: Engine, job: UUID) -> list[str | None]:
    with selected(engine, Selection(job=job)) as rows:
        return [row.heatmap for row in rows]


def files(folder: Path) -> set[str]:
    """The whole ones, each of which has the bytes that its name tells of."""
    paths = list(folder.glob("*/*.heatmap.jpg"))
    assert all(path.name.startswith(sha256(path.read_bytes()).hexdigest()) for path in paths)
    return {str(path.relative_to(folder)) for path in paths}


def test_every_enrichment_is_explained_where_it_was_asked_for(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    ids = [item.id for item in sandbox.catalogue.items[:40]]
    (tmp_path / "ids.txt").write_text("\n".join(ids[:30]))
    explained = UUID(run("enqueue", tmp_path / "ids.txt", "--explain").strip())
    plain = jobs.enqueue(engine, ids[30:]).job_id
    with worker(environment):
        enriched = wait_until_done(engine, explained).enriched
        wait_until_done(engine, plain)
    assert enriched > 20
    assert len(heatmaps(engine, explained)) == enriched
    assert set(heatmaps(engine, explained)) == files(folder)
    assert set(heatmaps(engine, plain)) == {None}
    page = run("explain", explained, "-")
    assert page.count('<img src="data:image/jpeg') == enriched


@pytest.mark.slow
def test_a_killed_worker_leaves_whole_files_and_no_enrichment_without_one(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], folder: Path
) -> None:
    ids = [item.id for item in sandbox.catalogue.items[:100]]
    job = jobs.enqueue(engine, ids, jobs.JobOptions(explain=True)).job_id
    with worker(environment) as victim:
        wait_for(lambda: len(list(folder.glob("*/*"))) > 0)
        victim.send_signal(signal.SIGKILL)
    assert jobs.status(engine, job).settled == 0
    with worker(environment):
        enriched = wait_until_done(engine, job).enriched
    named = heatmaps(engine, job)
    assert len(named) == enriched
    assert set(named) <= files(folder)
