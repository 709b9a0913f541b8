"""From a picture to what a classifier sees: data that travels with the weights, so that a worker
prepares pictures exactly as the trainer did.

Pictures travel as uint8, a quarter of the bytes of float32, and are normalised on the device.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self, get_args

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

from common.errors import ModelError
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
    default) ignores the aspect ratio and so keeps the whole object and uses every pixel;
    `letterbox` keeps the ratio and adds black bars; `crop` keeps it and cuts the longer side.
    `mean` and `std` are those of the pictures that the weights were first trained on, in [0, 1].
    """

    size: int
    resize: ResizeMode = "squash"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def to_uint8(self, image: Image.Image) -> torch.Tensor:
        """The picture as a uint8 tensor (3, size, size) on the CPU."""
        square = _RESIZE[self.resize](image.convert("RGB"), (self.size, self.size))
        return torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()

    def normalise(self, batch: torch.Tensor) -> torch.Tensor:
        """A uint8 batch (n, 3, size, size) as float32, on the device where it lies."""
        return Normalisation(self).to(batch.device).forward(batch)

    def to_json(self) -> dict[str, Any]:
        """The members as JSON has them."""
        return asdict(self)

    @classmethod
    def from_json(cls, members: dict[str, Any]) -> Self:
        """The preprocessing that `to_json` wrote.

        Raises:
            ModelError: a member is missing, unknown or of another form.
        """
        try:
            known = members | {name: tuple(members[name]) for name in ("mean", "std")}
            preprocessing = cls(**known)
        except (KeyError, TypeError) as error:
            raise ModelError(f"The preprocessing of the model is damaged: {error}.") from None
        if preprocessing.resize not in get_args(ResizeMode):
            raise ModelError(f"The model wants to resize by {preprocessing.resize!r}: unknown.")
        return preprocessing


class Normalisation(nn.Module):
    """From uint8 pictures (n, 3, size, size) to float32, on the device that both are on.

    It takes its statistics along: made anew for each batch, they would have to wait on CUDA for
    what the device is doing.
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
