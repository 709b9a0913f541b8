"""Heads that were stopped in the middle: the same command ends with the same numbers."""

import signal
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.trainer.encoders import add_tiny
from tests.trainer.running_commands import PATIENCE, running, wait_until
from tests.trainer.store_rows import add_dataset

FOLDS = 10


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


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.usefixtures("engine")
def test_stopped_and_started_again_it_ends_with_the_same_numbers(
    tmp_path: Path, end: signal.Signals
) -> None:
    with running(*training(tmp_path, "stopped"), stderr=subprocess.PIPE) as process:
        wait_until(lambda: (tmp_path / "stopped" / "split_0" / "metrics.json").exists())
        process.send_signal(end)
        _, said = process.communicate(timeout=PATIENCE)
    assert b"Traceback" not in said
    finished = len(list((tmp_path / "stopped").glob("split_*/metrics.json")))
    assert 1 <= finished < FOLDS
    for name in ("stopped", "whole"):
        with running(*training(tmp_path, name)) as process:
            assert process.wait(PATIENCE) == 0
    assert numbers(tmp_path / "stopped") == numbers(tmp_path / "whole")
