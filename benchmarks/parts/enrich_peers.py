"""What others would write to classify picture files, with what is best for each on a CPU.

Their models have drawn weights: what a model says does not matter here, what it costs does.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms

from benchmarks.parts.enrich_local import LocalAssignment, Measured
from common.vision.preprocessing import IMAGENET_MEAN, IMAGENET_STD

BATCH = 32
OUR_BATCH = 16
WARM_UP = 16  # pictures with which Ray's actors are started before the clock

Rows = dict[str, Any]
Predicted = Callable[[list[str]], Any]  # from paths to a Ray dataset


def pilot(assignment: LocalAssignment) -> Measured:
    """The pilot's loop: a picture at a time, decoded whole, eager PyTorch with a thread a core."""
    classifier = _resnet18()
    transform = transforms.Compose([_resized(assignment), transforms.ToTensor(), _normalised()])
    began = time.monotonic()
    with torch.inference_mode():
        for path in assignment.pictures:
            classifier(transform(Image.open(path).convert("RGB"))[None]).softmax(1).argmax(1)
    return Measured(pictures=len(assignment.pictures), seconds=time.monotonic() - began)


def data_loader(assignment: LocalAssignment) -> Measured:
    """PyTorch's DataLoader with a process a core, and JPEGs decoded at a fraction of their size."""
    classifier = _resnet18()
    transform = transforms.Compose([_resized(assignment), transforms.ToTensor(), _normalised()])
    files = _DraftedFiles(assignment.pictures, transform, side=2 * assignment.size)
    loader = DataLoader(files, batch_size=BATCH, num_workers=_cores())
    began = time.monotonic()  # the processes are forked in a moment
    with torch.inference_mode():
        for batch in loader:
            classifier(batch).softmax(1).argmax(1)
    return Measured(pictures=len(assignment.pictures), seconds=time.monotonic() - began)


def ray_documented(assignment: LocalAssignment) -> Measured:
    """Ray Data as its guide to batch inference on images has it: read, transform, actors.

    https://docs.ray.io/en/latest/data/working-with-images.html
    """
    transform = transforms.Compose([transforms.ToTensor(), _resized(assignment), _normalised()])

    def preprocess_image(row: Rows) -> Rows:
        return {"transformed_image": transform(row["image"])}

    def predicted(paths: list[str]) -> Any:
        import ray  # an extra

        return (
            ray.data.read_images(paths, mode="RGB")
            .map(preprocess_image)
            .map_batches(_ResnetModel, concurrency=1, batch_size=BATCH)
        )

    return _run_ray(assignment, predicted)


def ray_with_ours(assignment: LocalAssignment) -> Measured:
    """Ray Data with our decoder and runtime: an actor a core decodes and classifies a batch."""

    def predicted(paths: list[str]) -> Any:
        import ray

        return ray.data.read_binary_files(paths).map_batches(
            _OurModel,
            fn_constructor_args=(assignment,),
            concurrency=_cores(),
            batch_size=OUR_BATCH,
            num_cpus=0.5,  # leaves some for the tasks that read
        )

    return _run_ray(assignment, predicted)


def _run_ray(assignment: LocalAssignment, predicted: Predicted) -> Measured:
    """The seconds that the pictures take beyond the few of a run before it, which start Ray."""
    import ray

    ray.init(num_cpus=_cores(), include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    paths = list(assignment.pictures)
    few, all_seconds = 0.0, 0.0
    for chosen in (paths[:WARM_UP], paths[:WARM_UP], paths):
        few, began = all_seconds, time.monotonic()
        count = sum(len(batch["label"]) for batch in predicted(chosen).iter_batches())
        all_seconds = time.monotonic() - began
        assert count == len(chosen)
    ray.shutdown()
    return Measured(pictures=len(paths) - WARM_UP, seconds=all_seconds - few)


class _ResnetModel:
    """An actor that keeps a classifier."""

    def __init__(self) -> None:
        self._classifier = _resnet18()

    def __call__(self, batch: Rows) -> Rows:
        pictures = torch.from_numpy(batch["transformed_image"])
        with torch.inference_mode():
            return {"label": self._classifier(pictures).softmax(1).argmax(1).numpy()}


class _OurModel:
    """An actor that keeps a model of ours and the fastest runtime for it."""

    def __init__(self, assignment: LocalAssignment) -> None:
        model = assignment.model()
        self._runtime = assignment.open_runtime(model)
        self._prepare = assignment.preparer(model)

    def __call__(self, batch: Rows) -> Rows:
        pictures = torch.stack([self._prepare(content) for content in batch["bytes"]])
        return {"label": np.argmax(self._runtime.rows(pictures), axis=1)}


class _DraftedFiles(Dataset[torch.Tensor]):
    """Files that are decoded at twice the side that is wanted, or little more."""

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


PEERS: Mapping[str, Callable[[LocalAssignment], Measured]] = {
    "pilot": pilot,
    "data_loader": data_loader,
    "ray_documented": ray_documented,
    "ray_with_ours": ray_with_ours,
}
