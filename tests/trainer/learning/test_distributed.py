"""Several processes, started by torchrun, that train a fold as one."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from common.errors import UsageError
from tests.trainer.running_commands import PATIENCE, ROOT, running, training, wait_until
from trainer.cli import app
from trainer.learning import distributed

TORCHRUN = (
    *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
    *("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "-m"),
)
# Adam turns a rounding of a gradient near zero into a step of the whole rate; at a low one that
# stays small, so that what differs for another reason is seen.
LOW_RATE = ("--learning-rate", "0.00001", "--mixup", "0.2", "--ema", "0.5", "--epochs", "3")
LARGER = ("--input-size", "64")  # batch norm over a handful of numbers enlarges roundings too
SAME = 1e-4  # of validation losses and probabilities; one thread or two differ by as much as 1e-6

pytestmark = pytest.mark.timeout(3 * PATIENCE)


def test_a_step_of_two_is_the_step_of_one_to_the_last_bits() -> None:
    done = subprocess.run(
        [*TORCHRUN, "tests.trainer.learning.one_step"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    size, difference = done.stdout.split()
    assert size == "2"
    assert float(difference) < 1e-12


def test_two_that_are_killed_and_go_on_give_the_numbers_of_one(labelled: Path) -> None:
    experiments = labelled.parent / "experiments"
    alone = CliRunner().invoke(app, training(labelled, "one", *LOW_RATE, *LARGER))
    assert alone.exit_code == 0, alone.output
    together = ("trainer.cli", *training(labelled, "two", *LOW_RATE, *LARGER))
    with running(*together, by=TORCHRUN) as process:
        wait_until(lambda: (experiments / "two" / "split_0" / "resume.pth").exists())
        os.killpg(process.pid, signal.SIGKILL)
    with running(*together, by=TORCHRUN) as process:
        assert process.wait(PATIENCE) == 0
    for fold in ("split_0", "split_1"):
        one, two = (_numbers(experiments / name / fold) for name in ("one", "two"))
        assert len(one) == 3 + 2 * 12
        assert two == pytest.approx(one, abs=SAME)


def test_alone_nothing_is_shared_or_changed() -> None:
    batch = torch.arange(6).view(3, 2)
    assert distributed.own_share(batch).equal(batch)
    assert distributed.added_up(batch) is batch
    assert distributed.told("word") == "word"
    layer = torch.nn.BatchNorm2d(1)
    assert distributed.averaging(distributed.of_team(layer)) is layer
    assert type(layer) is torch.nn.BatchNorm2d


def test_a_batch_of_nothing_is_refused() -> None:
    distributed.check_batch(1)
    with pytest.raises(UsageError, match="1 processes cannot share a batch of 0 pictures"):
        distributed.check_batch(0)


def _numbers(fold: Path) -> list[float]:
    """The validation loss of each epoch, and the probabilities of each test picture."""
    with (fold / "history.csv").open(newline="") as file:
        losses = [float(row["validation_loss"]) for row in csv.DictReader(file)]
    with (fold / "predictions.csv").open(newline="") as file:
        rows = csv.DictReader(file)
        return losses + [float(row[category]) for row in rows for category in ("map", "toy")]
