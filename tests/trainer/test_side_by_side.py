"""Folds side by side, in processes of their own."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from common.errors import EnrichmentError, UsageError
from tests.trainer.pictures import VOCABULARY, draw_folder, write_vocabulary
from trainer.cli import app
from trainer.config import TrainingConfig
from trainer.dataset import folder_data
from trainer.experiment import Experiment
from trainer.side_by_side import Assignment, parse_devices, run_side_by_side

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
PATIENCE = 600.0  # seconds; on a busy machine torch alone takes many to import

pytestmark = pytest.mark.timeout(3 * PATIENCE)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with twelve maps and twelve toys, and a vocabulary beside it."""
    write_vocabulary(tmp_path / "vocabulary.json")
    return draw_folder(tmp_path / "data", 12)


def test_killed_and_resumed_they_give_the_numbers_of_a_sequence(data: Path) -> None:
    experiments = data.parent / "experiments"
    undisturbed = CliRunner().invoke(app, _arguments(data, "sequence"))
    assert undisturbed.exit_code == 0, undisturbed.output
    side_by_side = experiments / "side_by_side"
    with _training(data) as process:
        _wait_until(lambda: all(_is_under_way(side_by_side / f"split_{n}") for n in (0, 1)))
        children = _children(process.pid)
        process.kill()
        process.wait()
        _wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    assert len(children) >= 2
    with _training(data) as process:
        assert process.wait(PATIENCE) == 0
    for file in ("summary.json", "split_0/history.csv", "split_1/predictions.csv"):
        expected = (experiments / "sequence" / file).read_text()
        assert (side_by_side / file).read_text() == expected, file


def test_a_fold_that_fails_ends_the_others_and_says_why(data: Path) -> None:
    assignment = Assignment(
        data=folder_data(data, VOCABULARY),
        config=TrainingConfig(folds=13, epochs=1),
        experiment=Experiment(data.parent / "experiments", "run"),
        threads=1,
    )
    results = run_side_by_side([0, 1], assignment, [CPU, CPU], lambda fold, epoch: None)
    with pytest.raises(EnrichmentError, match="too few"):
        list(results)
    assert not multiprocessing.active_children()


def test_the_devices_are_those_of_the_list() -> None:
    assert parse_devices("cpu, cpu") == [CPU, CPU]


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99"])
def test_a_device_that_does_not_exist_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match=f"no device '{name}'"):
        parse_devices(f"cpu,{name}")


def _arguments(data: Path, name: str) -> list[str]:
    return [
        *("train", "--data-dir", str(data), "--vocab-json", str(data.parent / "vocabulary.json")),
        *("--saving-dir", str(data.parent / "experiments"), "--experiment-name", name),
        *("--arch", "shufflenet_v2_x0_5", "--input-size", "32", "--folds", "2"),
        *("--epochs", "8", "--patience", "8", "--batch-size", "8"),
    ]


@contextmanager
def _training(data: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Two folds side by side, with one thread each, as the sequence in this process has."""
    arguments = [*_arguments(data, "side_by_side"), "--devices", "cpu,cpu"]
    command = [sys.executable, "-m", "trainer.cli", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _is_under_way(split: Path) -> bool:
    """Whether a fold has something to resume from, or is even done."""
    return any((split / name).exists() for name in ("resume.pth", "metrics.json"))


def _children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in threads for child in path.read_text().split()]


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)
