"""One fold on several devices: as many processes, started by torchrun, that train as one.

Each holds the whole classifier, prepares the whole batch by the same chance, and learns from its
share; gradients are averaged so that all take the step that one alone would take. One process
leads: it alone prepares, writes and speaks, and tells the others which fold comes next. In a
process that torchrun did not start, all of this comes to nothing.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from common.errors import EnrichmentError, UsageError
from common.vision.runtimes import pick_device
from trainer.data.split import Indices
from trainer.learning.whole_batch_norm import normalising_whole_batches

# While the leader decodes a million pictures, the others wait; torchrun ends those left alone.
PATIENCE = timedelta(days=2)

T = TypeVar("T")


def is_team() -> bool:
    """Whether torchrun started this process, as one of several or not."""
    return distributed.is_available() and distributed.is_torchelastic_launched()


@contextmanager
def joined() -> Iterator[None]:
    """Be one of the team, where there is one, until the block ends."""
    if not is_team():
        yield
        return
    if own_device().type == "cuda":
        torch.cuda.set_device(own_device())
    distributed.init_process_group(timeout=PATIENCE)  # gloo for a CPU, NCCL for CUDA
    try:
        yield
    finally:
        distributed.destroy_process_group()


def own_device() -> torch.device:
    """The device of this process: of a team, each has its own."""
    device = pick_device()
    if is_team() and device.type == "cuda":
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return device


def size() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_leader() -> bool:
    """Whether this process is alone or leads."""
    return rank() == 0


def told(value: T) -> T:
    """The value that the leader has."""
    values = [value]
    if size() > 1:
        distributed.broadcast_object_list(values)
    return values[0]


def check_agreed(value: object, *, what: str) -> None:
    """Refuse to go on from different places.

    Raises:
        EnrichmentError: the leader has another value.
    """
    if told(value) != value:
        raise EnrichmentError(
            f"Process {rank()} sees another {what} than the one that leads; all need the same "
            "folder of experiments, on a disk that they share."
        )


def check_batch(pictures: int) -> None:
    """Refuse batches of which some process would have nothing.

    Raises:
        UsageError: there are fewer pictures than processes.
    """
    if pictures < size():
        raise UsageError(
            f"{size()} processes cannot share a batch of {pictures} pictures; take a larger "
            "--batch-size, or fewer processes."
        )


def own_share(batch: torch.Tensor) -> torch.Tensor:
    """The rows of a batch that this process learns from."""
    return torch.tensor_split(batch, size())[rank()]


def added_up(own: torch.Tensor) -> torch.Tensor:
    """The sum over all processes, in each of them; in place."""
    if size() > 1:
        distributed.all_reduce(own)
    return own


def divided(work: Callable[[Indices], torch.Tensor], indices: Indices) -> torch.Tensor:
    """Rows (len(indices), ...), of which each process works out a share."""
    shares = np.array_split(indices, size())
    rows = work(shares[rank()])
    if size() == 1:
        return rows
    start = sum(map(len, shares[: rank()]))
    whole = rows.new_zeros((len(indices), *rows.shape[1:]))
    whole[start : start + len(rows)] = rows
    return added_up(whole)


def of_team(classifier: nn.Module) -> nn.Module:
    """The classifier, its batch norm over the whole batch and not over a share of it."""
    return normalising_whole_batches(classifier) if size() > 1 else classifier


def averaging(classifier: nn.Module) -> nn.Module:
    """The classifier to learn with: while it lives, gradients are the mean over all processes.

    Only of parameters that want one now: to be called anew when that changes.
    """
    if size() == 1:
        return classifier
    return DistributedDataParallel(classifier)
