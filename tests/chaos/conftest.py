"""The store, model and settings of the tests with worker processes, and a sandbox with poison."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox
from tests.chaos.workers import HANG, KILL, poisonous_picture
from tests.worker.conftest import model_id
from tests.worker.processes.conftest import active_model, environment, read_few

__all__ = ["active_model", "environment", "model_id"]

RECORDS = int(os.environ.get("CHAOS_RECORDS", "400"))
POISON = {"/99/kills": KILL, "/99/hangs": HANG}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """As many records as there shall be, and two whose pictures are poison."""
    drawn = draw_collection(items=RECORDS)
    like = drawn.items[0]
    poisonous = [replace(like, id=key, picture=key, thumbnail=False) for key in POISON]
    harmless = read_few(drawn)

    def read(picture: str) -> bytes:
        poison = POISON.get(picture)
        return poisonous_picture(poison) if poison else harmless(picture)

    catalogue = replace(drawn, items=[*drawn.items, *poisonous], read=read)
    slow = Faults(hosts={"*": [Fault(kind="latency", seconds=0.02)]})
    with Sandbox(catalogue, faults=slow) as running:
        yield running
