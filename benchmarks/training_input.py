"""The training's input: decoded and cached pictures against ImageFolder and DataLoader.

    python -m benchmarks.training_input [--pictures 240] [--rounds 3]

The same JPEG files, 0.3 to 12 megapixels, drawn here, go to both. Ours is what an epoch of the
trainer reads: batches of the cache, augmented and normalised. The peer decodes the files in two
worker processes, which are started before the clock, with torchvision's reference transforms, which
do less than our augmentation does. A whole epoch of training a resnet18 shows the share of the
input in it. All take turns; figures are medians. The cache is made once, and its cost said.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.parts.report import at_least, at_most, finish
from common.vision.served import Normalisation
from trainer.data.cache import CachedData, cached
from trainer.data.dataset import folder_data
from trainer.data.split import Fold
from trainer.learning.batches import augment, changes_of, training_batches
from trainer.learning.fit import FoldData, train_fold
from trainer.settings import TrainingSettings

CATEGORIES = ("ceramics", "jewellery", "sculpture", "textile")
MEGAPIXELS = (0.3, 12.0)  # spread evenly on a logarithmic scale: 3.2 on average
PASSES = 20  # of ours in a round, so that a round is longer than a moment
WORKERS = 2
SETTINGS = TrainingSettings(
    architecture="resnet18", input_size=128, start_scale=1, batch_size=32, epochs=1, head_epochs=0
)


def draw_folder(folder: Path, count: int) -> None:
    """JPEG files of photographs' sizes and about their detail, one sub-folder a category."""
    chance = np.random.default_rng(0)
    for number in range(count):
        low, high = map(math.log, MEGAPIXELS)
        pixels = math.exp(low + (high - low) * number / max(1, count - 1)) * 1e6
        width, height = round(math.sqrt(pixels * 4 / 3)), round(math.sqrt(pixels * 3 / 4))
        coarse = chance.integers(0, 255, (height // 12, width // 12, 3), dtype=np.uint8)
        category = folder / CATEGORIES[number % len(CATEGORIES)]
        category.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        image.save(category / f"{number:04}.jpg", quality=88)


def with_ours(ready: CachedData) -> Iterator[torch.Tensor]:
    """The batches of some epochs, as the trainer makes them."""
    everything = np.arange(len(ready.pictures))
    generator = torch.Generator().manual_seed(0)
    normalised = Normalisation(SETTINGS.preprocessing)
    strength, cpu = SETTINGS.image_augmentation, torch.device("cpu")
    for _ in range(PASSES):
        batches = training_batches(everything, SETTINGS.batch_size, generator)
        changes = changes_of(batches, strength=strength, generator=generator, device=cpu)
        for indices, change in zip(batches, changes, strict=True):
            batch = augment(ready.pictures[indices], change, strength=strength)
            yield normalised(batch)


def image_folder(folder: Path) -> "DataLoader[tuple[torch.Tensor, torch.Tensor]]":
    """The peer: torchvision's reference recipe for classification at our size."""
    recipe = transforms.Compose(
        [
            transforms.RandomResizedCrop(SETTINGS.input_size),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(SETTINGS.preprocessing.mean, SETTINGS.preprocessing.std),
        ]
    )
    return DataLoader(
        ImageFolder(str(folder), recipe),
        batch_size=SETTINGS.batch_size,
        shuffle=True,
        num_workers=WORKERS,
        persistent_workers=True,
    )


def one_epoch(ready: CachedData, folder: Path) -> None:
    """What the trainer does in one epoch, with a single batch for validation."""
    positions = np.arange(len(ready.pictures))
    few = positions[: SETTINGS.batch_size]
    data = FoldData(
        pictures=ready.pictures,
        targets=torch.from_numpy(ready.data.targets).float(),
        kind="single",
        fold=Fold(number=0, training=positions, validation=few, test=few),
    )
    with TemporaryDirectory(dir=folder) as fresh:
        train_fold(
            data,
            SETTINGS,
            device=torch.device("cpu"),
            resume=Path(fresh) / "resume.pth",
            on_epoch=lambda _: None,
        )


def exhaust(batches: Iterable[object]) -> None:
    """Take all batches and look at none."""
    deque(batches, maxlen=0)


def seconds(work: Callable[[], None]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(folder: Path, ready: CachedData, rounds: int) -> dict[str, float]:
    """Median seconds a picture: of our input, of the peer's, and of a whole epoch of ours."""
    peer = image_folder(folder / "pictures")
    count = len(ready.pictures)
    ways: dict[str, tuple[Callable[[], None], int]] = {
        "ours": (lambda: exhaust(with_ours(ready)), PASSES * count),
        "image_folder": (lambda: exhaust(peer), count),
        "epoch": (lambda: one_epoch(ready, folder), count),
    }
    exhaust(peer)  # starts its workers, and brings the files into memory
    exhaust(with_ours(ready))
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (work, pictures) in ways.items():
            taken[name].append(seconds(work) / pictures)
    return {name: median(each) for name, each in taken.items()}


def main(
    pictures: Annotated[int, typer.Option(min=64)] = 240,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Measure and report."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        draw_folder(folder / "pictures", pictures)
        data = folder_data(folder / "pictures", dict.fromkeys(CATEGORIES, "http://concept.example"))
        started = time.perf_counter()
        ready = cached(data, SETTINGS.preprocessing, folder / "cache")
        caching = time.perf_counter() - started
        medians = measure(folder, ready, rounds)
    finish(
        figures={
            "pictures": pictures,
            "rounds": rounds,
            **{f"{name}_per_second": round(1 / each, 1) for name, each in medians.items()},
            "cached_per_second": round(pictures / caching, 1),
            "times_image_folder": round(medians["image_folder"] / medians["ours"], 1),
            "input_share_of_epoch": round(medians["ours"] / medians["epoch"], 4),
        },
        bars={"times_image_folder": at_least(20), "input_share_of_epoch": at_most(0.05)},
    )


if __name__ == "__main__":
    typer.run(main)
