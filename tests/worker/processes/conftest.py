"""A store, a sandbox and a model for real worker processes."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sqlalchemy import Engine, text
from torch import nn

from common.vision.bundle import Description
from common.vision.network import build_classifier
from common.vision.preprocessing import Preprocessing
from common.vision.saved_model import save_bundle
from deploy.sandbox.catalogue import Catalogue
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox
from tests.worker.conftest import CONCEPTS

MAP, PAINTING = CONCEPTS
DISTINCT_PICTURES = 10
SIZE = 32  # pixels


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    slow = Faults(hosts={"*": [Fault(kind="latency", seconds=0.02)]})
    drawn = draw_collection(items=700)
    with Sandbox(replace(drawn, read=read_few(drawn)), faults=slow) as running:
        yield running


def read_few(drawn: Catalogue) -> Callable[[str], bytes]:
    """One of a few pictures for each that is asked for: drawing takes time."""
    few = [drawn.read(item.picture) for item in drawn.items[:DISTINCT_PICTURES]]
    return lambda picture: few[sum(picture.encode()) % len(few)]


@pytest.fixture
def active_model(engine: Engine, model_id: int, tmp_path: Path) -> int:
    """A classifier of drawn weights that calls everything a map and nothing a painting."""
    torch.manual_seed(0)
    classifier = build_classifier("squeezenet1_1", classes=2, size=SIZE)
    save_active_model(engine, tmp_path / "models" / "test-1", classifier)
    return model_id


def save_active_model(engine: Engine, folder: Path, classifier: nn.Module) -> None:
    """Give the store's active model a bundle with this classifier of maps and paintings."""
    description = Description(
        architecture="squeezenet1_1",
        labels=("map", "painting"),
        concept_uris=(MAP, PAINTING),
        preprocessing=Preprocessing(size=SIZE),
        kind="single",
        temperature=1.0,
        thresholds={MAP: 0.0, PAINTING: None},
        picture_source="media",
        created_from={},
    )
    weights = [classifier.state_dict()]
    sha256 = save_bundle(folder, description, weights)
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET sha256 = :sha256"), {"sha256": sha256})


@pytest.fixture
def environment(sandbox: Sandbox, active_model: int, tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "EUROPEANA_API_URL": sandbox.url,
        "EUROPEANA_API_KEY": sandbox.key,
        "FETCH_ALLOW_ADDRESSES": "127.0.0.0/8",
        "FETCH_REQUESTS_PER_SECOND": "500",
        "FETCH_REQUESTS_AT_A_TIME": "8",
        "MODEL_DIR": str(tmp_path / "models"),
        "WORKER_CHUNKS_IN_FLIGHT": "1",
        "WORKER_ASK_SECONDS": "0.2",
        "WORKER_SWEEP_SECONDS": "0.2",
        "WORKER_LEASE_SECONDS": "2",
        "WORKER_RETRY_DELAYS": "1",
        "WORKER_RUNTIME": "torch",
        "OMP_NUM_THREADS": "1",
    }
