"""A model that has learned from other pictures than all that it sees: it says nothing of them."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sqlalchemy import Engine, text

from common.vision.network import build_classifier
from common.vision.saved_model import save_bundle
from deploy.sandbox.server import Sandbox
from tests.common.vision.models import DESCRIPTION, SIZE
from tests.waiting import wait_for
from tests.worker.on_encoder import to_nothing
from tests.worker.processes.running import (
    TIMEOUT,
    WORKER,
    free_port,
    run_from,
    scrape,
    wait_until_done,
    worker,
)
from worker import jobs

FEATURES = 512  # that a resnet18 hands to its last layer

pytestmark = pytest.mark.timeout(2 * TIMEOUT)


@pytest.fixture
def stranger(engine: Engine, environment: dict[str, str]) -> dict[str, str]:
    """An environment whose active model calls every picture unlike all that it learned from."""
    torch.manual_seed(0)
    weights = build_classifier("resnet18", classes=2, size=SIZE).state_dict()
    description = replace(DESCRIPTION, architecture="resnet18")
    folder = Path(environment["MODEL_DIR"]) / "stranger-1"
    sha256 = save_bundle(folder, description, [weights], likeness=to_nothing(FEATURES))
    with engine.begin() as connection:
        change = text("UPDATE model SET sha256 = :sha256, path = 'stranger-1'")
        connection.execute(change, {"sha256": sha256})
    return environment | run_from()


def test_every_picture_that_can_be_seen_is_unlike(
    engine: Engine, sandbox: Sandbox, stranger: dict[str, str]
) -> None:
    port = free_port()
    metrics_at = {"WORKER_METRICS_PORT": str(port)}
    items = sandbox.catalogue.items[:60]
    job_id = jobs.enqueue(engine, [item.id for item in items]).job_id
    with worker(stranger | metrics_at):
        status = wait_until_done(engine, job_id)
        counted = 'worker_records_total{outcome="unlike"}'
        wait_for(lambda: scrape(port)[counted] == status.unlike)
        wait_for(lambda: said_unlike(port) == status.unlike)
    assert (status.enriched, status.below_threshold) == (0, 0)
    assert status.unlike > len(items) / 2
    assert status.unlike + status.failed == len(items)
    shown = subprocess.run(
        [WORKER, "status", str(job_id), "--json"],
        env=stranger,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(shown.stdout)
    (drift,) = told["drift"]
    assert told["unlike"] == status.unlike
    assert (drift["model"], drift["at_promotion"]) == ("test v1", None)
    assert drift["of_all"]["now"]["pictures"] == status.unlike
    assert drift["of_all"]["now"]["unlike"] == status.unlike
    named = {each["data_provider"] for each in drift["providers"]}
    assert named <= {item.data_provider for item in items}


def said_unlike(port: int) -> float:
    """Of all data providers, as the metrics have it."""
    return sum(
        value
        for name, value in scrape(port).items()
        if name.startswith('worker_said_total{model="test v1",') and 'what="unlike"' in name
    )
