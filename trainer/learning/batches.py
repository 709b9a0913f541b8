"""What a training step is given: which pictures, mixed or not, and the seeds of chance."""

import hashlib
import math
import random

import torch

from trainer.folds.split import Indices


def seed_of(*parts: int) -> int:
    """A seed for one purpose; different parts give unrelated seeds."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])


def training_batches(
    indices: Indices, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, ...]:
    """All indices in random order, in batches of nearly equal size: none dropped, none tiny."""
    order = torch.randperm(len(indices), generator=generator)
    parts = math.ceil(len(indices) / batch_size)
    return torch.tensor_split(torch.from_numpy(indices)[order], parts)


def mixup(
    pictures: torch.Tensor, targets: torch.Tensor, *, strength: float, chance: random.Random
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each picture blended with another of the batch, the targets likewise; 0 leaves them alone.

    The share of the other is drawn once a batch from Beta(strength, strength). After Zhang et al.,
    "mixup: Beyond Empirical Risk Minimization", 2018.
    """
    if strength == 0:
        return pictures, targets
    share = chance.betavariate(strength, strength)
    return (
        torch.lerp(pictures, pictures.roll(1, 0), share),
        torch.lerp(targets, targets.roll(1, 0), share),
    )
