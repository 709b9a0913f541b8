"""An experiment that is begun: any process can train its folds."""

from pathlib import Path

from rich.console import Console

from tests.trainer.pictures import VOCABULARY
from trainer.data.dataset import folder_data
from trainer.data.prepare import prepare
from trainer.experiment import Experiment
from trainer.running.fold import Assignment, cache_folder
from trainer.settings import TrainingSettings

QUICK = TrainingSettings(
    architecture="shufflenet_v2_x0_5", input_size=32, folds=2, epochs=2, batch_size=8
)


def begun(folder: Path, settings: TrainingSettings = QUICK) -> Assignment:
    """An experiment on a folder of labelled pictures, none of whose folds is trained."""
    data = folder_data(folder, VOCABULARY)
    experiment = Experiment(folder.parent / "experiments", "run")
    pinned = settings.pinned()
    prepared = prepare(data, pinned, cache_folder(experiment), Console(quiet=True))
    experiment.begin(pinned, data)
    experiment.write_splits(prepared.cached.data, prepared.folds)
    return Assignment(data=data, settings=pinned, experiment=experiment)
