"""Preprocessing: how a picture becomes the input of a classifier.

It is stored with the weights, so that a worker prepares pictures exactly as the trainer did.
Pictures are kept as uint8, a quarter of the bytes of float32, and normalised on the device.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from pydantic import ConfigDict
from torch import nn

from common.vision.kinds import ResizeMode

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_FILTER = Image.Resampling.BICUBIC
_RESIZE: dict[str, Callable[[Image.Image, tuple[int, int]], Image.Image]] = {
    "squash": lambda image, size: image.resize(size, _FILTER),
    "letterbox": lambda image, size: ImageOps.pad(image, size, _FILTER),
    "crop": lambda image, size: ImageOps.fit(image, size, _FILTER),
}


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How pictures become tensors.

    `size` is the side in pixels. `resize` says how a picture becomes square: `squash` (the
    default) ignores the aspect ratio, so it keeps the whole object and uses every pixel;
    `letterbox` keeps the ratio and adds black bars; `crop` keeps it and cuts the longer side.
    `mean` and `std` of each colour channel, in [0, 1], belong to the pictures that the weights were
    first trained on.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # for `model.json`

    size: int
    resize: ResizeMode = "squash"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def to_uint8(self, image: Image.Image) -> torch.Tensor:
        """The picture as a uint8 tensor (3, size, size) on the CPU."""
        square = _RESIZE[self.resize](image.convert("RGB"), (self.size, self.size))
        return torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()

    def normalise(self, batch: torch.Tensor) -> torch.Tensor:
        """A uint8 batch (n, 3, size, size) as float32, on the same device."""
        return Normalisation(self).to(batch.device).forward(batch)


class Normalisation(nn.Module):
    """uint8 pictures (n, 3, size, size) to float32, on the device of the module.

    The statistics are buffers. Copying them to CUDA for each batch would wait for the device.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        for name in ("mean", "std"):
            statistic = torch.tensor(getattr(preprocessing, name)).view(1, 3, 1, 1)
            self.register_buffer(name, statistic, persistent=False)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return (batch.float() / 255 - self.mean) / self.std
