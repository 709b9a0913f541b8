"""Folds side by side, in processes of their own."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from common.errors import DeviceError, EnrichmentError, UsageError
from common.vision.network import build_classifier
from tests.trainer.begun import QUICK, begun
from tests.trainer.running_commands import (
    PATIENCE,
    descendants,
    differences,
    running,
    training,
)
from tests.waiting import wait_for
from trainer.running.on_devices import parse_devices, run_side_by_side

CPU = torch.device("cpu")

pytestmark = pytest.mark.timeout(3 * PATIENCE)


@pytest.mark.slow
def test_killed_and_resumed_they_give_the_numbers_of_a_sequence(
    labelled: Path, sequence: Path
) -> None:
    side_by_side = training(labelled, "side_by_side", "--devices", "cpu,cpu")
    run = labelled.parent / "experiments" / "side_by_side"
    with running(*side_by_side) as process:
        wait_for(lambda: list(run.glob("split_*/resume.pth")) != [], pause=0.005)
        forking, *folds = started = descendants(process.pid)
        assert len(folds) >= 2
        assert "libtorch" in Path(f"/proc/{forking}/maps").read_text()  # imported once for both
        process.kill()
        process.wait(PATIENCE)
        wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in started))
    with running(*side_by_side) as process:
        assert process.wait(PATIENCE) == 0
    assert differences(sequence, run) == []


def test_a_fold_that_fails_ends_the_others_and_says_why(labelled: Path) -> None:
    weights = build_classifier("shufflenet_v2_x0_5", classes=2).state_dict()
    weights["fc.weight"].fill_(1e38)  # finite, and overflows in the first step
    torch.save(weights, labelled.parent / "large.pth")
    assignment = begun(labelled, QUICK.changed(weights=str(labelled.parent / "large.pth")))
    with pytest.raises(EnrichmentError, match="is not a number after epoch"):
        list(run_side_by_side([0, 1], assignment, devices=[CPU, CPU]))
    assert not multiprocessing.active_children()
    assert not list(assignment.experiment.folder.rglob("*.pth"))


def test_a_process_that_is_killed_is_told_from_one_that_fails(labelled: Path) -> None:
    results = run_side_by_side([0, 1], begun(labelled), devices=[CPU, CPU])
    threading.Thread(target=_kill_one_child).start()
    with pytest.raises(EnrichmentError, match="was killed, perhaps because there was not"):
        list(results)
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_ctrl_c_ends_all_at_once_without_a_traceback(labelled: Path) -> None:
    arguments = training(labelled, "run", "--devices", "cpu,cpu", "--epochs", "500")
    with running(*arguments) as process:
        wait_for(lambda: len(descendants(process.pid)) >= 3)  # two, and what they are forked from
        started = descendants(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(PATIENCE)
    assert process.poll() == 130
    assert b"Traceback" not in said
    assert b"The same command continues where it was" in said
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in started))


def test_the_devices_are_those_of_the_list() -> None:
    assert parse_devices("cpu, cpu") == [CPU, CPU]


@pytest.mark.parametrize(
    ("name", "kind"), [("gpu", UsageError), ("", UsageError), ("cuda:99", DeviceError)]
)
def test_a_device_that_does_not_exist_is_an_error(name: str, kind: type[EnrichmentError]) -> None:
    with pytest.raises(kind, match=f"no device '{name}'"):
        parse_devices(f"cpu,{name}")


def _kill_one_child() -> None:
    wait_for(lambda: len(multiprocessing.active_children()) == 2, pause=0.005)
    multiprocessing.active_children()[0].kill()


OPENING_NONE = """
import torch

def refuse(name):
    def refused(*_):
        raise AssertionError(f"a device is opened: {name}")
    return refused

for name in ("_lazy_init", "init", "is_available", "current_device", "set_device", "synchronize"):
    setattr(torch.cuda, name, refuse(name))
import trainer.running.fold
from trainer.running.on_devices import parse_devices

torch.cuda.device_count = lambda: 2
torch.cuda.is_available = lambda: True  # asks the driver, and opens nothing
assert [str(each) for each in parse_devices("cuda:0,cuda:0, cuda:1")] == ["cuda:0"] * 2 + ["cuda:1"]
"""


def test_what_folds_are_forked_from_opens_no_device_and_one_card_may_have_several() -> None:
    subprocess.run([sys.executable, "-c", OPENING_NONE], check=True)
