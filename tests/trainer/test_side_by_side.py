"""Folds side by side, in processes of their own."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from common.errors import EnrichmentError, UsageError
from tests.trainer.pictures import VOCABULARY, draw_folder, write_vocabulary
from trainer.config import TrainingConfig
from trainer.dataset import folder_data
from trainer.experiment import Experiment
from trainer.side_by_side import Assignment, parse_devices, run_side_by_side

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with twelve maps and twelve toys, and a vocabulary beside it."""
    write_vocabulary(tmp_path / "vocabulary.json")
    return draw_folder(tmp_path / "data", 12)


def test_killed_and_resumed_they_give_the_numbers_of_a_sequence(data: Path) -> None:
    experiments = data.parent / "experiments"
    with _training(data, "sequence") as process:
        assert process.wait(120) == 0
    side_by_side = experiments / "side_by_side"
    with _training(data, "side_by_side", "--devices", "cpu,cpu") as process:
        _wait_until(lambda: all((side_by_side / f"split_{n}/resume.pth").exists() for n in (0, 1)))
        children = _children(process.pid)
        process.kill()
        process.wait(20)
        _wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    assert len(children) >= 2
    with _training(data, "side_by_side", "--devices", "cpu,cpu") as process:
        assert process.wait(120) == 0
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


@contextmanager
def _training(data: Path, name: str, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [
        *(sys.executable, "-m", "trainer.cli", "train", "--data-dir", str(data), "--folds", "2"),
        *("--vocab-json", str(data.parent / "vocabulary.json"), "--experiment-name", name),
        *("--saving-dir", str(data.parent / "experiments"), "--arch", "shufflenet_v2_x0_5"),
        *("--input-size", "32", "--epochs", "8", "--patience", "8", "--batch-size", "8", *more),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # as many as each process will have
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def _children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in threads for child in path.read_text().split()]


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)
