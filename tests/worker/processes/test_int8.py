"""A worker that is asked for int8: it works so and says so, or refuses and loses nothing."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from sqlalchemy import Engine

from common.vision.network import build_classifier
from deploy.sandbox.server import Sandbox
from tests.waiting import wait_for
from tests.worker.processes.conftest import SIZE, save_active_model
from tests.worker.processes.running import (
    TIMEOUT,
    chunk_states,
    wait_until_done,
    worker,
)
from worker import jobs

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * TIMEOUT)]

INT8 = {"WORKER_RUNTIME": "onnx-int8"}


@pytest.fixture
def sure_model(engine: Engine, active_model: int, tmp_path: Path) -> int:
    """The active model, so sure of maps that int8 changes nothing, with pictures to show that."""
    torch.manual_seed(0)
    classifier = build_classifier("squeezenet1_1", classes=2, size=SIZE)
    with torch.no_grad():
        classifier.classifier[1].bias.copy_(torch.tensor([8.0, 0.0]))  # type: ignore[index]
    drawn = torch.randint(0, 256, (120, 3, SIZE, SIZE), dtype=torch.uint8)
    bundle = tmp_path / "models" / "test-1"
    shutil.rmtree(bundle)
    save_active_model(engine, bundle, classifier, self_test=drawn[:100], calibration=drawn[100:])
    return active_model


def test_records_are_enriched_in_int8_and_the_log_says_so(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], sure_model: int
) -> None:
    job_id = jobs.enqueue(engine, [item.id for item in sandbox.catalogue.items[:40]]).job_id
    with worker(environment | INT8) as process:
        assert wait_until_done(engine, job_id).enriched > 20
        process.terminate()
        _, log = process.communicate(timeout=TIMEOUT)
    lines = [json.loads(line) for line in log.decode().splitlines() if line.startswith("{")]
    (warning,) = [line for line in lines if "in int8" in line["event"]]
    assert (warning["pictures"], warning["other_most_probable_concept"]) == (100, 0)
    (done,) = [line for line in lines if line["event"] == "chunk done"]
    assert done["runtime"] == "onnx-int8-cpu"


def test_a_model_that_int8_cannot_be_judged_by_is_refused_and_nothing_is_lost(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    job_id = jobs.enqueue(engine, [item.id for item in sandbox.catalogue.items[:40]]).job_id
    with worker(environment | INT8) as process:
        assert process.stderr is not None
        wait_for(lambda: b"chunk given back" in process.stderr.readline())
    assert chunk_states(engine, job_id) == {"ready": 1}
    with worker(environment):
        assert wait_until_done(engine, job_id).enriched > 20
