"""Heads that were stopped in the middle: the same command ends with the same numbers."""

import signal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.trainer.encoders import add_tiny
from tests.trainer.running_commands import PATIENCE, running
from tests.trainer.store_rows import add_dataset
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

FOLDS = 4


@pytest.fixture
def engine(engine: Engine, tmp_path: Path) -> Engine:
    """On a store with 40 maps, 40 toys and an encoder."""
    with engine.begin() as connection:
        add_dataset(connection, "plain", tmp_path / "images", each=40)
    add_tiny(engine, tmp_path / "models")
    return engine


def training(folder: Path, name: str) -> list[str]:
    return [
        *("train", "--dataset", "plain", "--encoder", "tiny", "--folds", str(FOLDS)),
        *("--saving-dir", str(folder), "--experiment-name", name),
    ]


def numbers(experiment: Path) -> list[str]:
    files = [f"split_{k}/{file}" for k in range(FOLDS) for file in ("predictions.csv",)]
    return [(experiment / file).read_text() for file in [*files, "summary.json"]]


def finish(folder: Path, name: str) -> None:
    with running(*training(folder, name)) as process:
        assert process.wait(PATIENCE) == 0


@pytest.mark.usefixtures("engine")
def test_stopped_and_started_again_it_ends_with_the_same_numbers(tmp_path: Path) -> None:
    finish(tmp_path, "whole")
    for end in (signal.SIGKILL, signal.SIGINT):
        stopped = tmp_path / end.name
        with running(*training(tmp_path, end.name)) as process:
            wait_for((stopped / "split_0" / "metrics.json").exists, pause=0.005)
            process.send_signal(end)
            _, said = process.communicate(PATIENCE)
        assert b"Traceback" not in said
        assert 1 <= len(list(stopped.glob("split_*/metrics.json"))) < FOLDS
        finish(tmp_path, end.name)
        assert numbers(stopped) == numbers(tmp_path / "whole")
