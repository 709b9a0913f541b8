"""Folds by other machines: here by processes that share a disk, and one that is killed."""

import os
import signal
import threading
from pathlib import Path

import pytest
import redis

from common.broker import count_waiting
from common.errors import BrokerError, EnrichmentError, ModelError
from deploy.local import Services
from tests.trainer.begun import begun
from tests.trainer.running_commands import (
    PATIENCE,
    descendants,
    differences,
    running,
    training,
)
from tests.waiting import wait_for
from trainer.experiment import Experiment
from trainer.running import on_machines
from trainer.running.on_machines import (
    QUEUE,
    FoldQueue,
    FoldStatus,
    create_app,
    read_status,
    run_by_queue,
    write_status,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * PATIENCE)]

FAILURE = FoldStatus(machine="gpu7", error="its disk is full")


def test_two_machines_give_the_numbers_of_a_sequence_though_one_is_killed(
    labelled: Path, sequence: Path, broker_url: str
) -> None:
    experiment = Experiment(labelled.parent / "experiments", "queued")
    worker = ("worker", "--saving-dir", str(experiment.folder.parent), "--devices", "cpu")
    with (
        running(*worker) as first,
        running(*worker) as second,
        running(*training(labelled, "queued", "--queue")) as command,
    ):
        wait_for(lambda: (experiment.split(0) / "resume.pth").exists(), pause=0.005)
        lock = experiment.folder / ".split_0.lock"
        killed, other = (first, second) if _holds(first.pid, lock) else (second, first)
        assert _holds(killed.pid, lock)
        killed.kill()
        assert command.wait(PATIENCE) == 0
        other.send_signal(signal.SIGTERM)
        assert other.wait(PATIENCE) == 0
    assert differences(sequence, experiment.folder) == []
    assert not list(experiment.folder.rglob("resume.pth"))
    assert not list(experiment.folder.rglob("status.json"))


def test_the_first_failure_ends_the_command_and_a_former_one_does_not(
    labelled: Path, broker_url: str
) -> None:
    assignment, app = begun(labelled), create_app()
    write_status(assignment.experiment, 0, FoldStatus(machine="gpu3", error="long mended"))

    def fail_when_asked() -> None:
        wait_for(lambda: count_waiting(app, QUEUE) == 2)
        write_status(assignment.experiment, 1, FAILURE)

    threading.Thread(target=fail_when_asked).start()
    with pytest.raises(EnrichmentError, match="Fold 2, on gpu7: its disk is full"):
        list(run_by_queue([0, 1], assignment, queue=FoldQueue(app)))
    assert read_status(assignment.experiment, 0) is None


def test_what_a_broker_forgot_is_sent_again_but_not_what_is_in_work(
    labelled: Path, broker_url: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_machines, "SEND_EVERY", 0.5)
    assignment, app = begun(labelled), create_app()

    def forget() -> None:
        wait_for(lambda: count_waiting(app, QUEUE) == 2)
        with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
            client.flushall()
        wait_for(lambda: count_waiting(app, QUEUE) == 1)
        write_status(assignment.experiment, 1, FAILURE)

    threading.Thread(target=forget).start()
    with (
        assignment.experiment.claimed(0),
        pytest.raises(EnrichmentError, match="Fold 2"),
    ):
        list(run_by_queue([0, 1], assignment, queue=FoldQueue(app)))
    assert count_waiting(app, QUEUE) == 1


def test_without_a_broker_nothing_is_begun(
    labelled: Path, broker_url: str, services: Services
) -> None:
    queue = FoldQueue(create_app())
    services.broker.stop()
    with pytest.raises(BrokerError, match="BROKER_URL"):
        create_app()
    with pytest.raises(BrokerError, match="BROKER_URL"):
        list(run_by_queue([0], begun(labelled), queue=queue))


def _holds(worker: int, lock: Path) -> bool:
    """Whether a fold's process, of this worker, has opened a file."""
    opened = (fd for child in descendants(worker) for fd in Path(f"/proc/{child}/fd").iterdir())
    return any(fd.resolve() == lock for fd in opened)


def test_nobody_waits_for_a_pipe_in_place_of_a_status(tmp_path: Path) -> None:
    experiment = Experiment(tmp_path, "run")
    experiment.split(0).mkdir(parents=True)
    os.mkfifo(experiment.split(0) / "status.json")
    with pytest.raises(ModelError, match="cannot be read: it is not a regular file"):
        read_status(experiment, 0)
