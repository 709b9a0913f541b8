"""Trainings of `on_card`: `python -m benchmarks.parts.card_training ours|plain < LESSON`.

Ours is `train_fold`. The plain loop is the usual one: a DataLoader with workers, random crops and
mirrors, mixed precision. The last line has the pictures and the seconds of the fastest epoch after
the first.
"""

import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from common.vision.network import build_classifier
from common.vision.runtimes.devices import pick_device
from trainer.data.split import Fold
from trainer.learning.fit import FoldData, train_fold
from trainer.settings import TrainingSettings

CLASSES = 20


@dataclass(frozen=True, kw_only=True)
class CardLesson:
    """The input: random pictures, uint8 (n, 3, size, size)."""

    architecture: str
    pictures: int
    size: int
    batch: int
    epochs: int

    def drawn(self) -> torch.Tensor:
        """The pictures; picture n is of class n % CLASSES."""
        shape = (self.pictures, 3, self.size, self.size)
        return torch.randint(0, 256, shape, dtype=torch.uint8)


def ours(lesson: CardLesson, on_epoch: Callable[[], None]) -> None:
    """The trainer's own loop, with a single batch for validation."""
    part = np.arange(lesson.pictures)
    few = part[: lesson.batch]
    data = FoldData(
        pictures=lesson.drawn(),
        targets=torch.eye(CLASSES)[torch.from_numpy(part) % CLASSES],
        kind="single",
        fold=Fold(number=0, training=part, validation=few, test=few),
    )
    settings = TrainingSettings(
        architecture=lesson.architecture,
        input_size=lesson.size,
        start_scale=1,
        batch_size=lesson.batch,
        epochs=lesson.epochs,
        patience=lesson.epochs,
    )
    with TemporaryDirectory() as folder:
        resume = Path(folder) / "resume.pth"
        train_fold(data, settings, device=DEVICE, resume=resume, on_epoch=lambda _: on_epoch())


class _Changed(Dataset[tuple[torch.Tensor, int]]):
    """Pictures with random changes, one by one."""

    def __init__(self, lesson: CardLesson) -> None:
        self._pictures = lesson.drawn()
        crop = v2.RandomResizedCrop(lesson.size, antialias=True)
        as_float = v2.ToDtype(torch.float32, scale=True)
        self._change = v2.Compose([crop, v2.RandomHorizontalFlip(), as_float])

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._change(self._pictures[index]), index % CLASSES


def plain(lesson: CardLesson, on_epoch: Callable[[], None]) -> None:
    """A plain loop on the same pictures."""
    on_cuda = DEVICE.type == "cuda"
    batches = DataLoader(
        _Changed(lesson),
        batch_size=lesson.batch,
        shuffle=True,
        num_workers=min(8, len(os.sched_getaffinity(0))),
        persistent_workers=True,
        pin_memory=on_cuda,
    )
    network = build_classifier(lesson.architecture, classes=CLASSES, size=lesson.size).to(DEVICE)
    optimizer = torch.optim.AdamW(network.train().parameters())
    for _ in range(lesson.epochs):
        for pictures, classes in batches:
            with torch.autocast(DEVICE.type, dtype=torch.bfloat16, enabled=on_cuda):
                logits = network(pictures.to(DEVICE, non_blocking=True))
            targets = classes.to(DEVICE, non_blocking=True)
            loss = nn.functional.cross_entropy(logits.float(), targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        loss.item()  # waits for the card
        on_epoch()


if __name__ == "__main__":
    DEVICE = pick_device()
    lesson = CardLesson(**json.load(sys.stdin))
    ends: list[float] = []
    {"ours": ours, "plain": plain}[sys.argv[1]](lesson, lambda: ends.append(time.perf_counter()))
    fastest = min(end - begun for begun, end in itertools.pairwise(ends))
    sys.stdout.write(json.dumps({"pictures": lesson.pictures, "seconds": fastest}) + "\n")
