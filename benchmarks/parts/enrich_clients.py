"""The clients over local files, ours and others, each in its own process.

    python -m benchmarks.parts.enrich_clients NAME < ASSIGNMENT

ASSIGNMENT is a `LocalAssignment` as JSON; the last line of the output is the result as JSON. Other
clients have their best settings on a CPU, and models with random weights.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms

from benchmarks.parts.enrich_local import OURS, LocalAssignment, Measured
from common.vision.preprocessing import IMAGENET_MEAN, IMAGENET_STD

BATCH = 32


def pilot(assignment: LocalAssignment) -> Measured:
    """The pilot's loop: one picture at a time, decoded at full size, eager PyTorch with a thread
    per core.
    """
    classifier = _resnet18()
    transform = transforms.Compose([_resized(assignment), transforms.ToTensor(), _normalised()])
    began = time.monotonic()
    with torch.inference_mode():
        for path in assignment.pictures:
            classifier(transform(Image.open(path).convert("RGB"))[None]).softmax(1).argmax(1)
    return Measured(pictures=len(assignment.pictures), seconds=time.monotonic() - began)


def data_loader(assignment: LocalAssignment) -> Measured:
    """PyTorch's DataLoader with a process per core, and JPEGs decoded at a part of their size."""
    classifier = _resnet18()
    transform = transforms.Compose([_resized(assignment), transforms.ToTensor(), _normalised()])
    files = _DraftedFiles(assignment.pictures, transform, side=2 * assignment.size)
    loader = DataLoader(files, batch_size=BATCH, num_workers=_cores())
    began = time.monotonic()  # right before the processes are forked
    with torch.inference_mode():
        for batch in loader:
            classifier(batch).softmax(1).argmax(1)
    return Measured(pictures=len(assignment.pictures), seconds=time.monotonic() - began)


class _DraftedFiles(Dataset[torch.Tensor]):
    """Files that are decoded at twice the wanted side, or a little more."""

    def __init__(
        self, paths: tuple[str, ...], transform: Callable[[Image.Image], torch.Tensor], *, side: int
    ) -> None:
        self._paths = paths
        self._transform = transform
        self._side = side

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self._paths[index]) as image:
            image.draft("RGB", (self._side, self._side))
            return self._transform(image.convert("RGB"))


def _resnet18() -> nn.Module:
    return models.resnet18(weights=None).eval()  # type: ignore[no-any-return]


def _resized(assignment: LocalAssignment) -> nn.Module:
    return transforms.Resize((assignment.size, assignment.size))  # type: ignore[no-any-return]


def _normalised() -> nn.Module:
    return transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)  # type: ignore[no-any-return]


def _cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    assignment = LocalAssignment.from_json(sys.stdin.read())
    clients = {**OURS, "pilot": pilot, "data_loader": data_loader}
    sys.stdout.write(json.dumps(asdict(clients[sys.argv[1]](assignment))) + "\n")
