"""What a training step is given: which pictures, how they weigh, and the seeds of chance."""

import hashlib
import math

import torch

from trainer.folds import Indices


def seed_of(*parts: int) -> int:
    """A seed for one purpose; different parts give unrelated seeds."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])


def class_weights(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """A weight for each label, by its index: rare categories count as much as common ones."""
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return len(labels) / (classes * counts.float())


def training_batches(
    indices: Indices, batch_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, ...]:
    """All indices in random order, in batches of nearly equal size: none dropped, none tiny."""
    order = torch.randperm(len(indices), generator=generator)
    parts = math.ceil(len(indices) / batch_size)
    return torch.tensor_split(torch.from_numpy(indices)[order], parts)


def learning_rate(step: int, steps: int, *, highest: float, warm_up: float) -> float:
    """The rate of one of `steps` steps: linear warm-up over a share of them, then a half cosine."""
    rising = max(1, round(warm_up * steps))
    if step < rising:
        return highest * (step + 1) / rising
    done = (step - rising) / max(1, steps - rising)
    return highest * (1 + math.cos(math.pi * done)) / 2
