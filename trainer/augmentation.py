"""Augmentation: random changes to whole batches of training pictures, on the device.

One affine map a picture (turn, zoom, shift, mirror), applied to the batch in one call, then
brightness and contrast. Random numbers come from a generator on the CPU, so that they are the
same whatever the device.
"""

import torch
from torch.nn import functional

MAX_TURN = 0.35  # radians, at strength 1, as all below
MAX_ZOOM = 0.3
MAX_SHIFT = 0.2  # of the side
MAX_BRIGHTNESS = 0.4
MAX_CONTRAST = 0.4


def augment(batch: torch.Tensor, *, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Change uint8 pictures (n, 3, size, size) at random; `strength` 0 leaves them as they are."""
    if strength == 0:
        return batch
    count = len(batch)
    draws = torch.rand(6, count, generator=generator) * 2 - 1
    mirror = torch.rand(count, generator=generator) < 0.5
    turn, zoom, right, down, brightness, contrast = (draws * strength).unbind()
    maps = _affine_maps(turn * MAX_TURN, 1 + zoom * MAX_ZOOM, mirror)
    maps[:, 0, 2] = right * 2 * MAX_SHIFT  # the coordinates run from -1 to 1
    maps[:, 1, 2] = down * 2 * MAX_SHIFT
    maps = maps.to(batch.device)
    moved = functional.grid_sample(
        batch.float(),
        functional.affine_grid(maps, list(batch.shape), align_corners=False),
        padding_mode="reflection",
        align_corners=False,
    )
    factor = (1 + contrast * MAX_CONTRAST).to(batch.device).view(-1, 1, 1, 1)
    offset = (brightness * MAX_BRIGHTNESS * 128).to(batch.device).view(-1, 1, 1, 1)
    mean = moved.mean(dim=(1, 2, 3), keepdim=True)
    return ((moved - mean) * factor + mean + offset).round().clamp(0, 255).to(torch.uint8)


def _affine_maps(turn: torch.Tensor, zoom: torch.Tensor, mirror: torch.Tensor) -> torch.Tensor:
    maps = torch.zeros(len(turn), 2, 3)
    sign = torch.where(mirror, -1.0, 1.0)
    maps[:, 0, 0] = turn.cos() / zoom * sign
    maps[:, 0, 1] = -turn.sin() / zoom
    maps[:, 1, 0] = turn.sin() / zoom * sign
    maps[:, 1, 1] = turn.cos() / zoom
    return maps
