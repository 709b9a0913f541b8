"""What a worker does with a hint: nothing that it should not, and it says why."""

from pathlib import Path

import torch
from celery import Celery
from structlog.testing import capture_logs

from common.files import write_atomically
from tests.trainer.begun import begun
from trainer.experiment import Experiment
from trainer.running.fold_worker import FoldWorker
from trainer.running.on_machines import TRAIN_FOLD, read_status, register_task
from trainer.settings import TrainingSettings

CPU = torch.device("cpu")

HOSTILE: list[tuple[tuple[object, ...], dict[str, object]]] = [
    ((), {}),
    (("run",), {}),
    (("run", "0"), {}),
    (("run", 0.0), {}),
    (("run", True), {}),
    (("run", -1), {}),
    (("run", 10**9), {}),
    (("../run", 0), {}),
    (("run\n", 0), {}),
    (("", 0), {}),
    (("x" * 201, 0), {}),
    (({"name": "run"}, 0), {}),
    (("run", 0, "surplus"), {}),
    (("run", 0), {"saving_dir": "/etc"}),
]


def test_a_hostile_message_is_told_in_the_log_and_forgotten() -> None:
    trained: list[tuple[str, int]] = []
    app = Celery(set_as_current=False)
    register_task(app, lambda name, fold: trained.append((name, fold)))
    for args, kwargs in HOSTILE:
        with capture_logs() as logs:
            app.tasks[TRAIN_FOLD](*args, **kwargs)
        assert [entry["event"] for entry in logs] == ["message refused"], (args, kwargs)
    app.tasks[TRAIN_FOLD]("run", 0)
    assert trained == [("run", 0)]


def test_a_fold_that_is_none_of_its_business_is_left_alone(labelled: Path) -> None:
    experiment = begun(labelled).experiment
    worker = FoldWorker(experiment.folder.parent, [CPU])
    (experiment.split(1)).mkdir()
    heads = Experiment(experiment.folder.parent, "heads")
    write_atomically(heads.folder / "conf.json", TrainingSettings(encoder="tiny").to_json())
    (experiment.split(1) / "metrics.json").write_text("{}")
    with experiment.claimed(0), capture_logs() as logs:
        worker.train("run", 0)  # another process has it
        worker.train("run", 1)  # finished
        worker.train("run", 2)  # there are two
        worker.train("walk", 0)  # no experiment
        worker.train("heads", 0)  # they are not trained here
    assert [entry["event"] for entry in logs] == [
        "the experiment has no such fold",
        "this machine cannot train the fold",
        "the experiment trains heads: run `trainer train` for it",
    ]
    assert "walk" in logs[1]["error"]


def test_a_machine_with_other_pictures_refuses_and_says_so(labelled: Path) -> None:
    experiment = begun(labelled).experiment
    (labelled / "map" / "000.png").unlink()
    with capture_logs() as logs:
        FoldWorker(experiment.folder.parent, [CPU]).train("run", 0)
    assert [entry["event"] for entry in logs] == ["fold begun", "fold failed"]
    status = read_status(experiment, 0)
    assert status is not None
    assert "the data of folder" in status.error
    assert str(labelled) in status.error
    assert not experiment.is_finished(0)


def test_a_worker_that_is_stopped_gives_its_fold_back(labelled: Path) -> None:
    experiment = begun(labelled).experiment
    worker = FoldWorker(experiment.folder.parent, [CPU])
    worker.stop()
    with capture_logs() as logs:
        worker.train("run", 0)
    assert [entry["event"] for entry in logs] == [
        "fold begun",
        "fold released: another worker may continue it",
    ]
    assert read_status(experiment, 0) is None
    assert not experiment.is_claimed(0)
