"""A job that names no model: each museum's records get the model in service for it."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from common.vision.answers.provider_names import provider_name
from deploy.sandbox.server import Sandbox
from tests.worker.conftest import CONCEPTS
from tests.worker.on_encoder import add_encoder, promote
from tests.worker.processes.running import TIMEOUT, wait_until_done, worker
from worker import jobs

MAP, PAINTING = CONCEPTS
RECORDS = 60

pytestmark = pytest.mark.timeout(2 * TIMEOUT)


@pytest.fixture
def served(engine: Engine, environment: dict[str, str], sandbox: Sandbox) -> str:
    """A museum with a model of its own, which says painting where the other one says map."""
    models = Path(environment["MODEL_DIR"])
    encoder = add_encoder(engine, models)
    usual = promote(engine, models, encoder, name="usual", thresholds={MAP: 0.0, PAINTING: None})
    taught = promote(engine, models, encoder, name="taught", thresholds={MAP: None, PAINTING: 0.0})
    museum = sandbox.catalogue.items[0].data_provider
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET stage = 'candidate'"))
        connection.execute(text("UPDATE model SET stage = 'active' WHERE id = :id"), {"id": usual})
        service = text("INSERT INTO service (data_provider, model_id) VALUES (:museum, :id)")
        connection.execute(service, {"museum": provider_name(museum), "id": taught})
    return museum


def test_each_record_is_answered_for_by_one_model(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], served: str
) -> None:
    items = sandbox.catalogue.items[:RECORDS]
    job_id = jobs.enqueue(engine, [item.id for item in items]).job_id
    with worker(environment):
        status = wait_until_done(engine, job_id)
    assert status.model == f"usual v1, and taught v1 for {served}"
    assert status.enriched + status.failed == RECORDS
    with engine.connect() as connection:
        found = connection.execute(
            text("""
                SELECT DISTINCT data_provider = :served AS is_served, model.name, concept_uri
                FROM enrichment JOIN record ON record.id = record_id
                JOIN model ON model.id = model_id
            """),
            {"served": served},
        )
        assert {tuple(row) for row in found} == {(True, "taught", PAINTING), (False, "usual", MAP)}
    usual, taught = jobs.drift_of_job(engine, job_id)
    assert [each.data_provider for each in taught.providers] == [served]
    assert served not in [each.data_provider for each in usual.providers]
    assert usual.of_all.now.pictures + taught.of_all.now.pictures == status.classified
