"""A job that only reads asks nobody, starts no decoder and needs no encoder."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from common.europeana.api import SEARCH
from common.vision.encoders.description import ENCODERS
from deploy.sandbox.server import Sandbox
from tests.worker.conftest import CONCEPTS
from tests.worker.on_encoder import add_encoder, promote
from tests.worker.processes.running import TIMEOUT, wait_until_done, worker
from worker import jobs
from worker.jobs import JobOptions

MAP, PAINTING = CONCEPTS
RECORDS = 40

pytestmark = pytest.mark.timeout(2 * TIMEOUT)


@pytest.fixture
def heads(engine: Engine, environment: dict[str, str]) -> list[str]:
    """The names of two models on one encoder."""
    models = Path(environment["MODEL_DIR"])
    encoder = add_encoder(engine, models)
    for name in ("first", "second"):
        promote(engine, models, encoder, name=name, thresholds={MAP: 0.0, PAINTING: 0.5})
    return ["first", "second"]


def requests(sandbox: Sandbox) -> int:
    """How many there were, but for the searches by which a worker checks its key."""
    entries = (entry for host in sandbox.log.values() for entry in list(host.entries))
    return sum(entry.path != SEARCH for entry in entries)


def children(process_id: int) -> list[str]:
    threads = Path(f"/proc/{process_id}/task").iterdir()
    return [pid for thread in threads for pid in (thread / "children").read_text().split()]


def test_what_one_model_looked_at_another_reads(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], heads: list[str]
) -> None:
    ids = [item.id for item in sandbox.catalogue.items[:RECORDS]]
    first = jobs.enqueue(engine, ids, JobOptions(model=heads[0])).job_id
    with worker(environment) as process:
        looked = wait_until_done(engine, first)
        assert children(process.pid)
    assert (looked.read, looked.looked_at) == (0, looked.classified)
    assert looked.classified > RECORDS / 2
    failed = looked.failed
    (Path(environment["MODEL_DIR"]) / ENCODERS).rename(environment["MODEL_DIR"] + ".gone")
    seen = [each for each in ids if each not in failures(engine)]
    second = jobs.enqueue(engine, seen, JobOptions(model=heads[1])).job_id
    before = requests(sandbox)
    with worker(environment) as process:
        read = wait_until_done(engine, second)
        assert children(process.pid) == []
    assert requests(sandbox) == before
    assert (read.read, read.looked_at, read.failed) == (len(seen), 0, 0)
    assert len(seen) == RECORDS - failed
    assert read.enriched >= looked.enriched


def failures(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT record_id FROM job_failure")).scalars())
