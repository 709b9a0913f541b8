"""Folds side by side, in processes of their own."""

import multiprocessing
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
import torch

from common.errors import EnrichmentError, UsageError
from common.vision.network import build_classifier
from tests.trainer.begun import QUICK, begun
from tests.trainer.running_commands import (
    PATIENCE,
    children,
    differences,
    running,
    training,
    wait_until,
)
from trainer.running.on_devices import parse_devices, run_side_by_side

CPU = torch.device("cpu")

pytestmark = pytest.mark.timeout(3 * PATIENCE)


def test_killed_and_resumed_they_give_the_numbers_of_a_sequence(
    labelled: Path, sequence: Path
) -> None:
    side_by_side = training(labelled, "side_by_side", "--devices", "cpu,cpu")
    run = labelled.parent / "experiments" / "side_by_side"
    with running(*side_by_side) as process:
        wait_until(lambda: list(run.glob("split_*/resume.pth")) != [])
        started = children(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in started))
    assert len(started) >= 2
    with running(*side_by_side) as process:
        assert process.wait(PATIENCE) == 0
    assert differences(sequence, run) == []


def test_a_fold_that_fails_ends_the_others_and_says_why(labelled: Path) -> None:
    weights = build_classifier("shufflenet_v2_x0_5", classes=2).state_dict()
    weights["fc.weight"].fill_(1e38)  # finite, and overflows in the first step
    torch.save(weights, labelled.parent / "large.pth")
    assignment = begun(labelled, QUICK.changed(weights=str(labelled.parent / "large.pth")))
    with pytest.raises(EnrichmentError, match="not a number any more"):
        list(run_side_by_side([0, 1], assignment, devices=[CPU, CPU]))
    assert not multiprocessing.active_children()
    assert not list(assignment.experiment.folder.rglob("*.pth"))


def test_a_process_that_is_killed_is_told_from_one_that_fails(labelled: Path) -> None:
    results = run_side_by_side([0, 1], begun(labelled), devices=[CPU, CPU])
    threading.Thread(target=_kill_one_child).start()
    with pytest.raises(EnrichmentError, match="was killed, perhaps for its memory"):
        list(results)
    assert not multiprocessing.active_children()


def test_ctrl_c_ends_all_at_once_without_a_traceback(labelled: Path) -> None:
    arguments = training(labelled, "run", "--devices", "cpu,cpu", "--epochs", "500")
    with running(*arguments, stderr=subprocess.PIPE) as process:
        wait_until(lambda: len(children(process.pid)) >= 3)  # one tracks what they share
        started = children(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert b"The same command continues where it was" in said
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in started))


def test_the_devices_are_those_of_the_list() -> None:
    assert parse_devices("cpu, cpu") == [CPU, CPU]


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99"])
def test_a_device_that_does_not_exist_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match=f"no device '{name}'"):
        parse_devices(f"cpu,{name}")


def _kill_one_child() -> None:
    wait_until(lambda: len(multiprocessing.active_children()) == 2)
    multiprocessing.active_children()[0].kill()
