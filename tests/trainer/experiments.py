"""A finished experiment within a second: everything is real but the training."""

import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from common.vision.kinds import Kind
from tests.trainer.pictures import draw
from trainer.data.cache import CachedData
from trainer.data.dataset import Example, TrainingData
from trainer.data.split import Fold
from trainer.experiment import Experiment
from trainer.learning.training_state import Epoch, TrainingState
from trainer.running.fold import finish_fold
from trainer.settings import TrainingSettings

SETTINGS = TrainingSettings(input_size=32, folds=3, epochs=4, image_augmentation=0.0)
CATEGORIES = ("map", "textile", "toy")
HISTORY = [
    Epoch(number=n, training_loss=2 / n, validation_loss=1 + abs(n - 3), validation_accuracy=n / 5)
    for n in (1, 2, 3, 4)
]


def labelled_pictures(folder: Path, kind: Kind, categories: tuple[str, ...]) -> TrainingData:
    """Twelve pictures a category, as a museum's records; one was left out."""
    examples = []
    for number in range(12 * len(categories)):
        label = number % len(categories)
        path = folder / f"{number}.png"
        draw(CATEGORIES[label % 3], number).save(path)
        others = {label} if kind == "single" or number % 4 else {label, 0}
        key = f"/90101/object_{number}"
        examples.append(
            Example(
                key=key,
                path=path,
                labels=tuple(sorted(others)),
                sha256=f"{number:02x}".ljust(64, "0"),
            )
        )
    whole = TrainingData(
        source="dataset museum",
        kind=kind,
        categories=categories,
        concept_uris=tuple(f"http://data.europeana.eu/concept/{i}" for i in range(len(categories))),
        picture_source="thumbnail",
        examples=tuple(examples),
    )
    return whole.without("picture unreadable (damaged)", [examples[-1].key])


def finished_experiment(
    folder: Path,
    *,
    kind: Kind = "single",
    categories: tuple[str, ...] = CATEGORIES,
    name: str = "run",
) -> Experiment:
    """An experiment of three folds by classifiers that know next to nothing."""
    (folder / "pictures").mkdir(parents=True)
    data = labelled_pictures(folder / "pictures", kind, categories)
    pictures = []
    for example in data.examples:
        with Image.open(example.path) as image:
            pictures.append(SETTINGS.preprocessing.to_uint8(image))
    settings = SETTINGS.changed(kind=kind)
    experiment = Experiment(folder / "experiments", name)
    folds = [_fold(number, len(data.examples)) for number in range(settings.folds)]
    experiment.begin(settings, data)
    experiment.write_splits(data, folds)
    cached = CachedData(data=data, pictures=torch.stack(pictures))
    for fold in folds:
        finish_fold(experiment, _state(fold, len(categories)), cached, fold, settings)
    return experiment


def copied(experiment: Experiment, folder: Path) -> Experiment:
    """The same experiment in another place, to be changed."""
    shutil.copytree(experiment.folder, folder / experiment.name)
    return Experiment(folder, experiment.name)


def _fold(number: int, count: int) -> Fold:
    part = np.arange(count) // 3 % 3
    return Fold(
        number=number,
        training=np.flatnonzero(part == (number + 2) % 3),
        validation=np.flatnonzero(part == (number + 1) % 3),
        test=np.flatnonzero(part == number),
    )


def _state(fold: Fold, classes: int) -> TrainingState:
    torch.manual_seed(fold.number)
    convolution = nn.Conv2d(3, classes, 3, bias=False)
    nn.init.normal_(convolution.weight, std=0.5)
    classifier = nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    optimizer = torch.optim.SGD(classifier.parameters())
    return TrainingState(classifier=classifier, optimizer=optimizer, history=list(HISTORY))
