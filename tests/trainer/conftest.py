"""What the tests of the trainer share."""

from collections.abc import Iterator

import pytest
import torch

from common.vision.model import Kind
from tests.trainer.experiments import finished_experiment
from trainer.experiment import Experiment


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny batches do not gain from threads, which wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Experiment]:
    """A finished experiment of each kind, to read or to copy."""
    return {
        kind: finished_experiment(tmp_path_factory.mktemp(kind), kind=kind)
        for kind in ("single", "multi")
    }
