"""Augmentation: random changes to whole batches of training pictures, on the device.

One affine map of its places a picture (turn, zoom, shift, mirror), then one of its colours
(brightness, contrast, saturation, cast), each applied to the whole batch in one call. Random
numbers come from a generator on the CPU, so that they are the same whatever the device.
"""

import torch
from torch.nn import functional

MAX_TURN = 0.35  # radians, at strength 1, as all below
MAX_ZOOM = 0.3
MAX_SHIFT = 0.2  # of the side
MAX_BRIGHTNESS = 0.4
MAX_CONTRAST = 0.4
MAX_SATURATION = 0.8
MAX_CAST = 0.15  # of a colour channel


def augment(
    batch: torch.Tensor, *, strength: float, generator: torch.Generator, size: int | None = None
) -> torch.Tensor:
    """Change uint8 pictures (n, 3, side, side) at random; `strength` 0 leaves them as they are.

    Where a `size` is given, they come back with that side.
    """
    size = size or batch.shape[-1]
    if strength == 0 and size == batch.shape[-1]:
        return batch
    moved = _moved(batch.float(), strength, generator, size)
    if strength > 0:
        moved = _recoloured(moved, strength, generator)
    return moved.round().clamp(0, 255).to(torch.uint8)


def _moved(
    batch: torch.Tensor, strength: float, generator: torch.Generator, size: int
) -> torch.Tensor:
    count = len(batch)
    mirror = (torch.rand(count, generator=generator) < 0.5) & (strength > 0)
    turn, zoom, right, down = _draws((4, count), strength, generator)
    maps = _affine_maps(turn * MAX_TURN, 1 + zoom * MAX_ZOOM, mirror)
    maps[:, 0, 2] = right * 2 * MAX_SHIFT  # the coordinates run from -1 to 1
    maps[:, 1, 2] = down * 2 * MAX_SHIFT
    moved: torch.Tensor = functional.grid_sample(
        batch,
        functional.affine_grid(maps.to(batch.device), [count, 3, size, size], align_corners=False),
        padding_mode="reflection",
        align_corners=False,
    )
    return moved


def _recoloured(batch: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    count = len(batch)
    brightness, contrast, saturation = _draws((3, count, 1, 1), strength, generator)
    cast = 1 + _draws((count, 3, 1), strength, generator) * MAX_CAST
    factor, colour = 1 + contrast * MAX_CONTRAST, 1 + saturation * MAX_SATURATION
    grey = torch.full((3, 3), 1 / 3)
    maps = (torch.lerp(grey, torch.eye(3), colour) * cast * factor).to(batch.device)
    flat = batch.reshape(count, 3, -1)
    mean = flat.mean(dim=(1, 2), keepdim=True)
    brighter = (brightness * MAX_BRIGHTNESS * 128).to(batch.device)
    offset = mean * (1 - factor).to(batch.device) + brighter
    return torch.baddbmm(offset.expand(count, 3, 1), maps, flat).view(batch.shape)


def _draws(shape: tuple[int, ...], strength: float, generator: torch.Generator) -> torch.Tensor:
    return (torch.rand(shape, generator=generator) * 2 - 1) * strength


def _affine_maps(turn: torch.Tensor, zoom: torch.Tensor, mirror: torch.Tensor) -> torch.Tensor:
    maps = torch.zeros(len(turn), 2, 3)
    sign = torch.where(mirror, -1.0, 1.0)
    maps[:, 0, 0] = turn.cos() / zoom * sign
    maps[:, 0, 1] = -turn.sin() / zoom
    maps[:, 1, 0] = turn.sin() / zoom * sign
    maps[:, 1, 1] = turn.cos() / zoom
    return maps
