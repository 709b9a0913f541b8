"""What the tests of the trainer share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from rich.console import Console
from sqlalchemy import Engine

from common.store.session import open_store
from common.vision.kinds import Kind
from tests.trainer.experiments import finished_experiment
from tests.trainer.finished_heads import finished_heads
from tests.trainer.pictures import VOCABULARY, draw_folder, write_vocabulary
from tests.trainer.running_commands import TRAINED
from trainer.data.dataset import folder_data
from trainer.experiment import Experiment
from trainer.running.cross_validation import cross_validate


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


@pytest.fixture
def engine(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """On an empty store; pictures and models are in the test's folder."""
    monkeypatch.setenv("IMAGE_DIR", str(tmp_path / "images"))
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    engine = open_store()
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Experiment]:
    """A finished experiment of each kind, to read or to copy."""
    return {
        kind: finished_experiment(tmp_path_factory.mktemp(kind), kind=kind)
        for kind in ("single", "multi")
    }


@pytest.fixture(scope="session")
def heads_by_provider(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Heads by folds that leave out a data provider each, to read or to copy."""
    with one_thread():
        return finished_heads(tmp_path_factory.mktemp("heads"), each=80, by_provider=True)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A folder with twelve maps and twelve toys, and a vocabulary beside it."""
    write_vocabulary(tmp_path / "vocabulary.json")
    return draw_folder(tmp_path / "data", 12)


@pytest.fixture(scope="session")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the quick training leaves on such a folder, trained in sequence by one thread."""
    folder = tmp_path_factory.mktemp("sequence")
    data = folder_data(draw_folder(folder / "data", 12), VOCABULARY)
    experiment = Experiment(folder, "sequence")
    with one_thread():
        cross_validate(data, TRAINED, experiment, Console(quiet=True))
    return experiment.folder
