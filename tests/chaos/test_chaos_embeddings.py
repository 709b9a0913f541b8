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

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * TIMEOUT + 120)]
MAP, PAINTING = CONCEPTS


@pytest.fixture
def heads(engine: Engine, environment: dict[str, str]) -> tuple[str, str]:
    """Two models on one encoder, for different concepts."""
    models = Path(environment["MODEL_DIR"])
    encoder = add_encoder(engine, models)
    promote(engine, models, encoder, name="first", thresholds={MAP: 0.0, PAINTING: 0.5})
    promote(engine, models, encoder, name="second", thresholds={PAINTING: 0.0})
    return "first", "second"


def check_embeddings(engine: Engine, classified: set[str]) -> None:
    """Each picture that was seen is embedded once, no other one, and no record's is missing."""
    with engine.connect() as connection:
        found = connection.execute(text("SELECT sha256 FROM embedding")).scalars()
        pictures = [bytes(each) for each in found]
        seen = connection.execute(text("SELECT record_id, sha256 FROM picture_seen")).all()
    assert len(pictures) == len(set(pictures))
    assert set(pictures) == {bytes(row.sha256) for row in seen}
    assert {row.record_id for row in seen} == classified


def forget(engine: Engine) -> None:
    forget_enrichments(engine)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM picture_seen"))
        connection.execute(text("DELETE FROM embedding"))


def test_in_the_end_each_picture_is_embedded_once_and_all_are_read(
    engine: Engine,
    services: Services,
    environment: dict[str, str],
    broker_url: str,
    ids: list[str],
    heads: tuple[str, str],
    tmp_path: Path,
) -> None:
    environment["BROKER_URL"] = broker_url
    first, second = (JobOptions(picture="auto", model=name) for name in heads)
    harmless = [record_id for record_id in ids if record_id not in POISON]
    calm = jobs.enqueue(engine, harmless, first).job_id
    with workers(environment, tmp_path) as supervisor:
        wait_until_done(engine, calm, lambda: time.sleep(0.1))
        enriched, failed = outcomes(engine, calm)
        classified = {record_id for record_id in harmless if record_id not in failed}
        check_embeddings(engine, classified)
        forget(engine)
        chaos = Chaos(supervisor, services, engine, freeze_file=tmp_path / "freeze")
        rough = jobs.enqueue(engine, ids, first).job_id
        wait_until_done(engine, rough, chaos.strike)
        poisoned = dict.fromkeys(POISON, Reason.KILLED_WORKER.code)
        assert outcomes(engine, rough) == (enriched, failed | poisoned)
        check_embeddings(engine, classified)
        check_rows(engine, rough, set(ids))
        again = jobs.enqueue(engine, classified, second).job_id
        read = wait_until_done(engine, again, lambda: time.sleep(0.1))
    assert (read.enriched, read.failed) == (len(classified), 0)
    assert read.read > len(classified) / 2  # of the others the file failed, and is tried again
    check_embeddings(engine, classified)
