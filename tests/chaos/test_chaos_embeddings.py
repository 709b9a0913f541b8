"""The same with embeddings kept: each picture is embedded once, none is lost, and all are read."""

import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from common.reasons import Reason
from deploy.local import Services
from tests.chaos.conftest import POISON
from tests.chaos.test_chaos import TIMEOUT, Chaos, check_rows, ids, wait_until_done, workers
from tests.worker.conftest import CONCEPTS
from tests.worker.on_encoder import add_encoder, promote
from tests.worker.processes.running import forget_enrichments, outcomes
from worker import jobs
from worker.jobs import JobOptions

__all__ = ["ids"]

pytestmark = pytest.mark.timeout(2 * TIMEOUT + 120)
MAP, PAINTING = CONCEPTS


@pytest.fixture
def heads(engine: Engine, environment: dict[str, str]) -> tuple[str, str]:
    """Two models on one encoder, for different concepts."""
    models = Path(environment["MODEL_DIR"])
    encoder = add_encoder(engine, models)
    promote(engine, models, encoder, name="first", thresholds={MAP: 0.0, PAINTING: 0.5})
    promote(engine, models, encoder, name="second", thresholds={PAINTING: 0.0})
    return "first", "second"


def kept(engine: Engine) -> tuple[set[bytes], set[tuple[object, ...]]]:
    """The pictures that are embedded, and which picture was seen where."""
    with engine.connect() as connection:
        pictures = connection.execute(text("SELECT sha256 FROM embedding")).scalars()
        places = connection.execute(text("SELECT record_id, source, url, sha256 FROM picture_seen"))
        seen = {(*row[:3], bytes(row.sha256)) for row in places}
        return {bytes(each) for each in pictures}, seen


def forget(engine: Engine) -> None:
    forget_enrichments(engine)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM picture_seen"))
        connection.execute(text("DELETE FROM embedding"))


def test_in_the_end_each_picture_is_embedded_once_and_all_are_read(
    engine: Engine,
    services: Services,
    environment: dict[str, str],
    ids: list[str],
    heads: tuple[str, str],
    tmp_path: Path,
) -> None:
    first, second = (JobOptions(picture="auto", model=name) for name in heads)
    harmless = [record_id for record_id in ids if record_id not in POISON]
    calm = jobs.enqueue(engine, harmless, first).job_id
    with workers(environment, tmp_path) as supervisor:
        wait_until_done(engine, calm, lambda: time.sleep(0.1))
        expected, (enriched, failed) = kept(engine), outcomes(engine, calm)
        forget(engine)
        chaos = Chaos(supervisor, services, engine, freeze_file=tmp_path / "freeze")
        rough = jobs.enqueue(engine, ids, first).job_id
        wait_until_done(engine, rough, chaos.strike)
        poisoned = dict.fromkeys(POISON, Reason.KILLED_WORKER.code)
        assert outcomes(engine, rough) == (enriched, failed | poisoned)
        assert kept(engine) == expected
        check_rows(engine, rough, set(ids))
        classified = [record_id for record_id in harmless if record_id not in failed]
        again = jobs.enqueue(engine, classified, second).job_id
        read = wait_until_done(engine, again, lambda: time.sleep(0.1))
    files = {record_id for record_id, source, *_ in expected[1] if source == "media"}
    assert read.read >= len(files)
    assert (read.enriched, read.failed) == (len(classified), 0)
    assert kept(engine) == expected
