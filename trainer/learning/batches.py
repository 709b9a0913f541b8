"""The pictures of a training step: sampled, augmented and mixed, every random choice with a seed.

Augmentation is one affine map of pixel positions (turn, zoom, shift, mirror), then one of colours
(brightness, contrast, saturation, cast). Each is applied to the whole batch in one call on the
device. Random numbers come from a generator on the CPU, so that they are the same on every device.
"""

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch.nn import functional

from trainer.data.split import Indices

MAX_TURN = 0.35  # radians, at strength 1, as for all below
MAX_ZOOM = 0.3
MAX_SHIFT = 0.2  # of the side
MAX_BRIGHTNESS = 0.4
MAX_CONTRAST = 0.4
MAX_SATURATION = 0.8
MAX_CAST = 0.15  # of a colour channel


def seed_of(*parts: int) -> int:
    """A seed made of several parts; different parts give unrelated seeds."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])


def training_batches(
    indices: Indices, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, ...]:
    """All indices in random order, in batches of nearly equal size; none is dropped or tiny."""
    order = torch.randperm(len(indices), generator=generator)
    parts = math.ceil(len(indices) / batch_size)
    return torch.tensor_split(torch.from_numpy(indices)[order], parts)


def mixup(
    pictures: torch.Tensor, targets: torch.Tensor, *, strength: float, chance: random.Random
) -> tuple[torch.Tensor, torch.Tensor]:
    """Blend each picture, and its targets, with the next one of the batch; strength 0 is no change.

    The share of the other picture is drawn once per batch from Beta(strength, strength). See Zhang
    et al., "mixup: Beyond Empirical Risk Minimization", 2018.
    """
    if strength == 0:
        return pictures, targets
    share = chance.betavariate(strength, strength)
    return (
        torch.lerp(pictures, pictures.roll(1, 0), share),
        torch.lerp(targets, targets.roll(1, 0), share),
    )


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How n pictures change: maps of positions (n, 2, 3) and colours (n, 3, 3), contrast and light.

    `contrast` and `light` are (n, 1, 1).
    """

    positions: torch.Tensor
    colours: torch.Tensor
    contrast: torch.Tensor
    light: torch.Tensor

    @classmethod
    def drawn(cls, count: int, *, strength: float, generator: torch.Generator) -> Self:
        """Random changes, drawn on the CPU. Strength 0 neither draws nor changes colours."""
        mirror = (torch.rand(count, generator=generator) < 0.5) & (strength > 0)
        turn, zoom, right, down = _draws((4, count), strength, generator)
        maps = _affine_maps(turn * MAX_TURN, 1 + zoom * MAX_ZOOM, mirror)
        maps[:, 0, 2] = right * 2 * MAX_SHIFT  # the coordinates run from -1 to 1
        maps[:, 1, 2] = down * 2 * MAX_SHIFT
        brightness, contrast, saturation, cast = (torch.zeros(count, 1, 1),) * 4
        if strength > 0:
            brightness, contrast, saturation = _draws((3, count, 1, 1), strength, generator)
            cast = _draws((count, 3, 1), strength, generator)
        factor, colour = 1 + contrast * MAX_CONTRAST, 1 + saturation * MAX_SATURATION
        colours = torch.lerp(torch.full((3, 3), 1 / 3), torch.eye(3), colour)
        return cls(
            positions=maps,
            colours=colours * (1 + cast * MAX_CAST) * factor,
            contrast=1 - factor,
            light=brightness * MAX_BRIGHTNESS * 128,
        )


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on the device; to a card from page-locked memory, so that the program does not
    wait.
    """
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def changes_of(
    batches: Sequence[torch.Tensor],
    *,
    strength: float,
    generator: torch.Generator,
    device: torch.device,
) -> list[Changes]:
    """The changes of the batches of an epoch, drawn one after the other and sent all at once."""
    counts = [len(each) for each in batches]
    drawn = [Changes.drawn(each, strength=strength, generator=generator) for each in counts]
    parts = {
        field.name: sent(torch.cat([getattr(each, field.name) for each in drawn]), device)
        for field in fields(Changes)
    }
    split = zip(*(torch.split(each, counts) for each in parts.values()), strict=True)
    return [Changes(**dict(zip(parts, each, strict=True))) for each in split]


def augment(
    batch: torch.Tensor, changes: Changes, *, strength: float, size: int | None = None
) -> torch.Tensor:
    """Change uint8 pictures (n, 3, side, side); `strength` is that of the changes, 0 is none.

    Returns:
        uint8 (n, 3, size, size); the size is that of the batch if it is not given.
    """
    size = size or batch.shape[-1]
    if strength == 0 and size == batch.shape[-1]:
        return batch
    moved = _moved(batch.float(), changes, size)
    if strength > 0:
        moved = _recoloured(moved, changes)
    return moved.round().clamp(0, 255).to(torch.uint8)


def _moved(batch: torch.Tensor, changes: Changes, size: int) -> torch.Tensor:
    moved: torch.Tensor = functional.grid_sample(
        batch,
        functional.affine_grid(changes.positions, [len(batch), 3, size, size], align_corners=False),
        padding_mode="reflection",
        align_corners=False,
    )
    return moved


def _recoloured(batch: torch.Tensor, changes: Changes) -> torch.Tensor:
    count = len(batch)
    flat = batch.reshape(count, 3, -1)
    offset = flat.mean(dim=(1, 2), keepdim=True) * changes.contrast + changes.light
    return torch.baddbmm(offset.expand(count, 3, 1), changes.colours, flat).view(batch.shape)


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
