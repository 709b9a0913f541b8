"""The command, as its user types it: from a folder of pictures to a summary."""

import csv
import json
import shutil
import signal
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from common.vision.network import build_classifier
from tests.forking import ran_source
from tests.trainer.pictures import draw_folder, write_vocabulary
from trainer.cli import app
from trainer.commands.recipes import FINE_TUNING
from trainer.experiment import Experiment

QUICK = (
    *("--arch", "shufflenet_v2_x0_5", "--input-size", "32", "--folds", "2"),
    *("--epochs", "2", "--batch-size", "8", "--learning-rate", "0.003"),
)

# The command, which is killed in its second fold as soon as there is something to resume from.
MORTAL = """
import os, signal
from trainer.cli import main
from trainer.learning.training_state import TrainingState

save = TrainingState.save

def save_and_die(state, path):
    save(state, path)
    if path.parent.name == "split_1":
        os.kill(os.getpid(), signal.SIGKILL)

TrainingState.save = save_and_die
main()
"""


class Trainer:
    """Types commands in a folder with a vocabulary and training data."""

    def __init__(self, folder: Path) -> None:
        self.data = draw_folder(folder / "data", 12)
        self.vocabulary = write_vocabulary(folder / "vocabulary.json")
        self.experiments = folder / "experiments"
        self.output = ""

    def arguments(self, *more: str, name: str = "run") -> list[str]:
        """Of a quick training."""
        return [
            *("train", "--data-dir", str(self.data), "--vocab-json", str(self.vocabulary)),
            *("--saving-dir", str(self.experiments), "--experiment-name", name),
            *QUICK,
            *more,
        ]

    def train(self, *more: str, name: str = "run") -> Result:
        """Run a quick training."""
        return CliRunner().invoke(app, self.arguments(*more, name=name))


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    """With twelve maps and twelve toys."""
    return Trainer(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """The same after a training, for tests that change nothing; `output` is what it said."""
    trainer = Trainer(tmp_path_factory.mktemp("trained"))
    result = trainer.train()
    assert result.exit_code == 0, result.output
    trainer.output = result.output
    return trainer


def test_a_cross_validation_leaves_all_its_files(trained: Trainer) -> None:
    assert "trainer promote run" in trained.output
    run = trained.experiments / "run"
    for fold in ("split_0", "split_1"):
        files = {path.name for path in (run / fold).iterdir()}
        assert files == {
            *(
                "checkpoint.pth",
                "class_index.json",
                "conf.json",
                "evidence.safetensors",
                "heatmaps",
                "history.csv",
            ),
            *("history.png", "metrics.json", "predictions.csv", "tensorboard"),
            "validation_predictions.csv",
        }
        assert torch.load(run / fold / "checkpoint.pth", weights_only=True).keys()
        assert json.loads((run / fold / "class_index.json").read_text()) == {"0": "map", "1": "toy"}
        assert list((run / fold / "heatmaps").glob("*.png"))
    assert {path.name for path in run.iterdir()} == {
        *(
            "conf.json",
            "dataset.json",
            "splits.csv",
            "left_out.csv",
            "near_duplicates.csv",
            "split_0",
            "split_1",
        ),
        *("summary.json", "confusion_matrix.png", "reliability.png", "doubtful_labels.csv"),
        "report.html",
        *(".split_0.lock", ".split_1.lock"),  # by which processes kept off each other
    }


def test_every_picture_is_predicted_once_by_a_fold_that_had_not_seen_it(trained: Trainer) -> None:
    run = trained.experiments / "run"
    with (run / "splits.csv").open() as file:
        tested_by = {
            row["example"]: fold
            for row in csv.DictReader(file)
            for fold in ("split_0", "split_1")
            if row[fold] == "test"
        }
    predicted_by = {}
    for fold in ("split_0", "split_1"):
        with (run / fold / "predictions.csv").open() as file:
            predicted_by |= {row["example"]: fold for row in csv.DictReader(file)}
    assert len(predicted_by) == 24
    assert predicted_by == tested_by
    summary = json.loads((run / "summary.json").read_text())
    assert sum(map(sum, summary["confusion"])) == summary["examples"] == 24


def test_broken_and_doubtful_pictures_are_named_and_left_out(trainer: Trainer) -> None:
    (trainer.data / "map" / "broken.jpg").write_bytes(b"no picture")
    shutil.copy(trainer.data / "map" / "000.png", trainer.data / "toy" / "copy.png")
    result = trainer.train("--epochs", "1")
    assert result.exit_code == 0, result.output
    flat = " ".join(result.output.split())
    assert "map/broken.jpg" in flat
    assert "the same picture is in several categories: map/000.png, toy/copy.png" in flat
    assert "23 pictures" in flat


def test_a_complete_experiment_is_not_trained_again(trained: Trainer) -> None:
    checkpoint = trained.experiments / "run" / "split_1" / "checkpoint.pth"
    before = checkpoint.stat().st_mtime_ns
    result = trained.train()
    assert result.exit_code == 0
    assert "is complete" in result.output
    assert checkpoint.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--folds", "3"], "folds 3 instead of 2"),
        (["--seed", "9"], "seed 9 instead of 0"),
    ],
)
def test_other_settings_under_the_same_name_are_refused(
    trained: Trainer, more: list[str], message: str
) -> None:
    result = trained.train(*more)
    assert result.exit_code == 2
    assert message in result.stderr


def test_weights_bring_their_recipe_and_are_known_again_by_their_content(trainer: Trainer) -> None:
    file = trainer.data.parent / "weights.pth"
    more = ("--weights", str(file), "--epochs", "1", "--img-aug", "0.25")
    for exit_code in (0, 2):
        torch.manual_seed(exit_code)
        torch.save(build_classifier("shufflenet_v2_x0_5", classes=2).state_dict(), file)
        result = trainer.train(*more)
        assert result.exit_code == exit_code, result.output
    assert "weights_sha256" in result.stderr
    settings = Experiment(trainer.experiments, "run").settings()
    assert settings.head_epochs == FINE_TUNING.head_epochs > 0
    assert settings.lowest_rate == FINE_TUNING.lowest_rate < 1
    assert (settings.epochs, settings.image_augmentation) == (1, 0.25)


def test_a_training_of_the_last_layer_alone_goes_through_to_the_heatmaps(trainer: Trainer) -> None:
    file = trainer.data.parent / "weights.pth"
    torch.save(build_classifier("shufflenet_v2_x0_5", classes=2).state_dict(), file)
    result = trainer.train("--weights", str(file), "--head-epochs", "1", "--epochs", "0")
    assert result.exit_code == 0, result.output
    assert list((trainer.experiments / "run" / "split_0" / "heatmaps").glob("*.png"))


def test_other_data_under_the_same_name_is_refused(trained: Trainer, tmp_path: Path) -> None:
    fewer = shutil.copytree(trained.data, tmp_path / trained.data.name)
    (fewer / "map" / "000.png").unlink()
    result = trained.train("--data-dir", str(fewer))
    assert result.exit_code == 2
    assert "other settings or data" in result.stderr


@pytest.mark.parametrize(
    ("more", "exit_code", "message"),
    [
        (["--data-dir", "/nowhere"], 2, "no folder /nowhere"),
        (["--dataset", "dataset"], 2, "either --dataset NAME or --data-dir FOLDER"),
        (["--arch", "resnet_18"], 2, "did you mean"),
        (["--weights", "/nowhere.pth"], 1, "no weight file"),
        (["--folds", "13"], 1, "too few"),
        (["--mode", "multi"], 2, "--mode multi"),
        (["--ema", "1"], 2, "--ema must be 0 or more, and less than 1."),
        (["--vocab-json", "/nowhere.json"], 2, "no vocabulary file"),
        (["--experiment-name", "../x"], 2, "cannot be the name of an experiment"),
        (["--recipe", "head"], 2, "takes no --arch, --input-size"),
        (["--recipe", "fine-tune"], 2, "give --weights"),
    ],
)
def test_wrong_input_is_a_message_and_leaves_nothing(
    trainer: Trainer, more: list[str], exit_code: int, message: str
) -> None:
    result = trainer.train(*more)
    assert result.exit_code == exit_code, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (trainer.experiments / "run").exists()


def test_weights_for_another_architecture_leave_nothing(trainer: Trainer) -> None:
    file = trainer.data.parent / "other.pth"
    torch.save(build_classifier("mobilenet_v2", classes=2).state_dict(), file)
    result = trainer.train("--weights", str(file))
    assert result.exit_code == 1
    assert "other.pth contains weights for another architecture" in result.stderr
    assert not (trainer.experiments / "run").exists()


WITH_LITTLE_ROOM = """
import resource
from trainer.cli import main

resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
main()
"""


@pytest.mark.slow
def test_a_disk_that_fills_up_leaves_no_checkpoint_and_the_same_command_goes_on(
    trainer: Trainer,
) -> None:
    assert trainer.train("--experiment-name", "other").exit_code == 0  # the pictures are decoded
    shutil.rmtree(trainer.experiments / "other")
    ended = ran_source(WITH_LITTLE_ROOM, *trainer.arguments())
    assert ended.returncode == 1
    assert "split_0/resume.pth cannot be written: File too large." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not [*trainer.experiments.rglob("*.pth"), *trainer.experiments.rglob("*.partial")]
    assert trainer.train().exit_code == 0


def test_one_way_at_a_time(trainer: Trainer) -> None:
    result = trainer.train("--queue", "--devices", "cpu,cpu")
    assert result.exit_code == 2
    assert "either --devices or --queue" in result.stderr
    without_broker = trainer.train("--queue")
    assert without_broker.exit_code == 2
    assert "BROKER_URL" in without_broker.stderr
    assert not trainer.experiments.exists()


@pytest.mark.parametrize("way", [["--devices", "cpu,cpu"], ["--queue"]], ids=str)
def test_heads_are_fitted_by_the_process_of_the_command(trainer: Trainer, way: list[str]) -> None:
    where = ["--data-dir", str(trainer.data), "--vocab-json", str(trainer.vocabulary)]
    result = CliRunner().invoke(app, ["train", *where, "--encoder", "tiny", *way])
    assert result.exit_code == 2
    assert "Leave out --devices and --queue" in " ".join(result.stderr.split())


def test_two_processes_do_not_train_the_same_experiment(trainer: Trainer) -> None:
    with Experiment(trainer.experiments, "run").claimed():
        result = trainer.train()
    assert result.exit_code == 2
    assert "by another process" in result.stderr
    assert not list(trainer.experiments.rglob("*.pth"))


@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_the_same_numbers(trainer: Trainer) -> None:
    more = ["--epochs", "3", "--head-epochs", "1", "--ema", "0.8", "--mixup", "0.2"]
    assert trainer.train(*more, name="undisturbed").exit_code == 0
    killed = trainer.experiments / "killed"
    ended = ran_source(MORTAL, *trainer.arguments(*more, name="killed"))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert (killed / "split_0" / "metrics.json").exists()
    assert (killed / "split_1" / "resume.pth").exists()
    assert not (killed / "split_1" / "metrics.json").exists()
    assert trainer.train(*more, name="killed").exit_code == 0
    for file in ("summary.json", "split_0/history.csv", "split_1/predictions.csv"):
        undisturbed = trainer.experiments / "undisturbed" / file
        assert (killed / file).read_text() == undisturbed.read_text()
    assert not list(killed.rglob("resume.pth"))
