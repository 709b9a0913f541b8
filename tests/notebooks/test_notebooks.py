"""The notebooks run from their first cell to their last, on little data."""

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from deploy.sandbox.collection import draw_collection
from deploy.sandbox.server import Sandbox
from tests.trainer.bundles import bundle
from tests.trainer.experiments import finished_experiment
from tests.trainer.pictures import draw_folder, write_vocabulary

pytestmark = pytest.mark.slow

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SECONDS = 240  # for a cell on a busy machine; a few are usual


@pytest.fixture(autouse=True)
def _quiet_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this Python, with one thread, leaving nothing in the home folder."""
    for name, value in {
        "OMP_NUM_THREADS": "1",
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "jupyter"),
        "JUPYTER_PLATFORM_DIRS": "1",
    }.items():
        monkeypatch.setenv(name, value)


def execute(name: str, folder: Path, parameters: str) -> str:
    """Run a notebook in a folder with other parameters; all text that it printed."""
    notebook: Any = nbformat.read(NOTEBOOKS / name, as_version=4)
    (cell,) = [each for each in notebook.cells if "parameters" in each.metadata.get("tags", [])]
    cell.source = parameters
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        startup_timeout=SECONDS,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=os.environ.copy())
    outputs = [output for each in notebook.cells for output in each.get("outputs", [])]
    texts = [each.get("text") or each.get("data", {}).get("text/plain", "") for each in outputs]
    return "".join(texts)


def test_a_single_split_is_trained(tmp_path: Path) -> None:
    draw_folder(tmp_path / "data", 12)
    write_vocabulary(tmp_path / "vocabulary.json")
    printed = execute(
        "train_one_split.ipynb",
        tmp_path,
        """
from pathlib import Path
from trainer.settings import TrainingSettings
data_dir, vocabulary, experiments = Path("data"), Path("vocabulary.json"), Path("experiments")
settings = TrainingSettings(
    architecture="shufflenet_v2_x0_5", input_size=32, folds=2, epochs=2, batch_size=8
)
""",
    )
    assert "accuracy" in printed
    assert (tmp_path / "experiments" / "one_split" / "split_0" / "checkpoint.pth").exists()


def test_a_cross_validation_is_analysed(tmp_path: Path) -> None:
    finished_experiment(tmp_path)
    printed = execute(
        "analyse_crossvalidation.ipynb",
        tmp_path,
        """
from pathlib import Path
from trainer.experiment import Experiment
experiment, precision = Experiment(Path("experiments"), "run"), 0.9
""",
    )
    assert "macro F1" in printed
    assert "Thresholds" in printed
    assert "/90101/object_" in printed


def test_records_of_the_search_api_are_classified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(tmp_path / "bundle")
    with Sandbox(draw_collection(items=100)) as sandbox:
        monkeypatch.setenv("EUROPEANA_API_URL", sandbox.url)
        monkeypatch.setenv("EUROPEANA_API_KEY", sandbox.key)
        monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "127.0.0.0/8")
        printed = execute(
            "search_api_inference.ipynb",
            tmp_path,
            'from pathlib import Path\nbundle, query, rows = Path("bundle"), "*", 4',
        )
    assert "; written: [" in printed
    assert list((tmp_path / "heatmaps").glob("*.png"))


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_no_output_is_kept_in_the_repository(path: Path) -> None:
    notebook: Any = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
