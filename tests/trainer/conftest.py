"""What the tests of the trainer share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from common.vision.model import Kind
from tests.trainer.commands import training
from tests.trainer.experiments import finished_experiment
from tests.trainer.pictures import draw_folder, write_vocabulary
from trainer.cli import app
from trainer.experiment import Experiment


@contextmanager
def one_thread() -> Iterator[None]:
    """Tiny batches do not gain from threads, which wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Experiment]:
    """A finished experiment of each kind, to read or to copy."""
    return {
        kind: finished_experiment(tmp_path_factory.mktemp(kind), kind=kind)
        for kind in ("single", "multi")
    }


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A folder with twelve maps and twelve toys, and a vocabulary beside it."""
    write_vocabulary(tmp_path / "vocabulary.json")
    return draw_folder(tmp_path / "data", 12)


@pytest.fixture(scope="session")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the quick training leaves on such a folder, trained in sequence by one thread."""
    folder = tmp_path_factory.mktemp("sequence")
    write_vocabulary(folder / "vocabulary.json")
    with one_thread():
        arguments = training(draw_folder(folder / "data", 12), "sequence")
        trained = CliRunner().invoke(app, arguments)
    assert trained.exit_code == 0, trained.output
    return folder / "experiments" / "sequence"
