"""Preprocessing: how a picture becomes the input of a classifier.

It is stored with the weights, so that a worker prepares pictures exactly as the trainer did.
Pictures are kept as uint8, a quarter of the bytes of float32, and normalised on the device
(`served.Normalisation`).

Torch is loaded when a picture is prepared: who only reads what a bundle says does without.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image
from pydantic import ConfigDict

from common.pictures.decoder import pixel_rows
from common.pictures.decoders import Pixels
from common.pictures.resize import Square
from common.vision.kinds import Interpolation, ResizeMode

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How pictures become tensors.

    `size` is the side in pixels. `resize` says how a picture becomes square: `squash` (the
    default) ignores the aspect ratio, so it keeps the whole object and uses every pixel;
    `letterbox` keeps the ratio and adds black bars; `crop` keeps it and cuts the longer side. Of
    the square that is left, `crop` takes the middle: `kept` of its side. `mean` and `std` of each
    colour channel, in [0, 1], belong to the pictures that the weights were first trained on.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # for `model.json`

    size: int
    resize: ResizeMode = "squash"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    kept: float = 1.0
    interpolation: Interpolation = "bicubic"

    @property
    def square(self) -> Square:
        return Square(
            side=self.size, resize=self.resize, kept=self.kept, interpolation=self.interpolation
        )

    def to_uint8(self, image: Image.Image) -> "torch.Tensor":
        """A picture as a uint8 tensor (3, size, size) on the CPU."""
        rgb = image.convert("RGB")
        rows = memoryview(bytearray(pixel_rows(rgb)))
        return self.from_pixels(
            Pixels(rows=rows, width=rgb.width, height=rgb.height, is_square=False)
        )

    def from_pixels(self, pixels: Pixels) -> "torch.Tensor":
        """What a decoder made of a picture as a uint8 tensor (3, size, size) on the CPU."""
        import torch

        rows = torch.frombuffer(pixels.rows, dtype=torch.uint8)
        # A batch of one that says by its strides that channels are last: torch copies no pixel.
        batch = rows.view(1, pixels.height, pixels.width, 4).permute(0, 3, 1, 2)
        return _rgb(batch) if pixels.is_square else _squared(batch, self.square)


def _rgb(batch: "torch.Tensor") -> "torch.Tensor":
    """The first three channels of the only picture, in memory of their own."""
    return batch[0, :3].contiguous()


def _squared(batch: "torch.Tensor", square: Square) -> "torch.Tensor":
    """RGBX pixels (1, 4, height, width) in uint8 as an RGB square (3, side, side).

    Torch computes what Pillow computes, in a third of the time, since it resizes several pixels at
    once: where no edge is cut, the two are less than a thousandth of a grey level apart on average.
    Where one is cut, Pillow cuts between pixels and we at the nearest one: 0.2 to 0.4 grey levels,
    over 81 museum pictures as thumbnails of 400 pixels.
    """
    if square.resize == "letterbox":
        return _letterboxed(batch, square)
    if square.resize == "crop":
        batch = _cut(batch, square.kept)
    return _resized(batch, (square.side, square.side), square)


def _resized(batch: "torch.Tensor", size: tuple[int, int], square: Square) -> "torch.Tensor":
    if batch.shape[2:] == size:
        return _rgb(batch)
    from torch.nn.functional import interpolate

    return _rgb(interpolate(batch, size=size, mode=square.interpolation, antialias=True))


def _letterboxed(batch: "torch.Tensor", square: Square) -> "torch.Tensor":
    height, width = batch.shape[2:]
    side, longer = square.side, max(height, width)
    size = (max(1, round(height / longer * side)), max(1, round(width / longer * side)))
    top, left = (round((side - length) / 2) for length in size)
    paper = batch.new_zeros((3, side, side))
    paper[:, top : top + size[0], left : left + size[1]] = _resized(batch, size, square)
    return paper


def _cut(batch: "torch.Tensor", kept: float) -> "torch.Tensor":
    """The middle of a picture, which is a square but for a pixel: `kept` of the shorter side.

    An equal number of pixels is cut on both sides, so that nothing moves.
    """
    height, width = batch.shape[2:]
    wanted = kept * min(height, width)
    top, left = (min(round((length - wanted) / 2), (length - 1) // 2) for length in (height, width))
    return batch[:, :, top : height - top, left : width - left]
