"""`trainer` in processes of its own: quick trainings that can be killed, and compared."""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.forking import Forked
from trainer.settings import TrainingSettings

TRAINED = TrainingSettings(  # by the arguments that `training` gives
    architecture="shufflenet_v2_x0_5",
    input_size=32,
    folds=2,
    epochs=8,
    patience=8,
    batch_size=8,
)
PATIENCE = 600.0  # seconds; on a busy machine torch alone takes many to import


@contextmanager
def running(*arguments: str, module: str = "trainer.cli") -> Iterator[Forked]:
    """`module`.main() in a process, killed with the block; one thread, as the tests have."""
    process = Forked(module, *arguments, environment=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        yield process
    finally:
        process.kill()
        process.communicate(PATIENCE)


def training(data: Path, name: str, *more: str) -> list[str]:
    """The arguments of a quick training on a folder with a vocabulary beside it."""
    return [
        *("train", "--data-dir", str(data), "--folds", "2", "--experiment-name", name),
        *("--vocab-json", str(data.parent / "vocabulary.json")),
        *("--saving-dir", str(data.parent / "experiments"), "--arch", TRAINED.architecture),
        *("--input-size", "32", "--epochs", "8", "--patience", "8", "--batch-size", "8", *more),
    ]


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for path in threads for child in path.read_text().split()]
    return children + [each for child in children for each in descendants(child)]


def differences(one: Path, other: Path) -> list[str]:
    """Which of the numbers of two experiments are not the same to the last bit."""
    files = ["summary.json"]
    files += [f"split_{k}/{file}" for k in (0, 1) for file in ("history.csv", "predictions.csv")]
    different = [file for file in files if (one / file).read_text() != (other / file).read_text()]
    return different + ["splits"] * (_splits(one) != _splits(other))


def _splits(experiment: Path) -> list[list[str]]:
    """The part of each example in each fold; the pictures may lie elsewhere."""
    with (experiment / "splits.csv").open(newline="") as file:
        return [[key, *parts] for key, _, _, *parts in csv.reader(file)]
