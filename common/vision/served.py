"""What a runtime serves: a network from uint8 pictures to a row of numbers for each of them.

It is a whole classifier, with its preprocessing and its ensemble, whose rows are probabilities; or
an encoder, whose rows are embeddings before they are rounded.
"""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from common.vision.preprocessing import Preprocessing

REFERENCE_BATCH = 32  # pictures that the reference computes at a time; bounds the memory

Rows = NDArray[np.float32]
"""A row for each picture, (n, classes) or (n, dimension)."""


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


class ServedNetwork(nn.Module):
    """uint8 pictures (n, 3, size, size) to float32 rows, by one network or several.

    A subclass says in `finish` what becomes of the networks' answers.
    """

    def __init__(self, members: Iterable[nn.Module], preprocessing: Preprocessing) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.normalised = Normalisation(preprocessing)
        self.eval()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        pictures = self.normalised(batch)
        return self.finish(torch.stack([member(pictures) for member in self.members]).float())

    def finish(self, answers: torch.Tensor) -> torch.Tensor:
        """Answers (members, n, numbers) to rows (n, numbers)."""
        raise NotImplementedError

    def with_members(self, members: Iterable[nn.Module]) -> Self:
        """The same with other networks, on copies of everything else."""
        own, self.members = self.members, nn.ModuleList()
        try:
            copy = deepcopy(self)
        finally:
            self.members = own
        copy.members = nn.ModuleList(members)
        return copy.eval()


@dataclass(frozen=True, kw_only=True)
class Served:
    """A network with what a runtime must know of it.

    `title` names it in messages. `sha256` is that of all that it was made of. `is_exact` asks for
    at least the precision of float16. `examples` are pictures to compare runtimes by, none if there
    are no better ones than noise.
    """

    title: str
    sha256: str
    size: int
    network: ServedNetwork
    is_exact: bool = False
    examples: torch.Tensor = field(default_factory=lambda: torch.zeros(0))

    def rows(self, batch: torch.Tensor) -> Rows:
        """The reference: uint8 pictures (n, 3, size, size) to rows, on the CPU.

        Workers use a runtime instead, which must agree with this.
        """
        return np.concatenate(list(self._parts(batch)))

    def on(self, device: torch.device) -> Self:
        """The same with a copy of the network on another device than the CPU."""
        if device.type == "cpu":
            return self
        return replace(self, network=deepcopy(self.network).to(device))

    def _parts(self, batch: torch.Tensor) -> Iterator[Rows]:
        with torch.inference_mode():
            for part in torch.split(batch, REFERENCE_BATCH):
                yield self.network(part).numpy()
