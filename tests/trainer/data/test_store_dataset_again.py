"""The data of an experiment, read again by another process."""

from pathlib import Path

import pytest

from common.errors import UsageError
from common.store.session import open_store
from tests.trainer.begun import QUICK
from tests.trainer.pictures import VOCABULARY
from tests.trainer.store_rows import add_dataset
from trainer.data.dataset import TrainingData, folder_data
from trainer.data.store_dataset import dataset_data, read_again
from trainer.experiment import Experiment


def _read_again(data: TrainingData, folder: Path) -> TrainingData:
    experiment = Experiment(folder, "run")
    experiment.begin(QUICK, data)
    return read_again(experiment.dataset())


def test_a_folder_is_found_again_from_anywhere(
    labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(labelled.parent)
    data = folder_data(Path(labelled.name), VOCABULARY)
    monkeypatch.chdir("/")
    assert _read_again(data, labelled.parent).fingerprint == data.fingerprint
    labelled.rename(labelled.with_name("elsewhere"))
    with pytest.raises(UsageError, match=f"no folder {labelled}"):
        _read_again(data, labelled.parent)


def test_a_dataset_is_found_again_where_the_settings_say(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_store()
    with engine.begin() as connection:
        add_dataset(connection, "old_maps", tmp_path / "images", each=2)
    data = dataset_data(engine, "old_maps", tmp_path / "images")
    engine.dispose()
    (tmp_path / "images").rename(tmp_path / "mounted")
    monkeypatch.setenv("IMAGE_DIR", str(tmp_path / "mounted"))
    again = _read_again(data, tmp_path)
    assert again.fingerprint == data.fingerprint
    assert all(example.path.exists() for example in again.examples)
