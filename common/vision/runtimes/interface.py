"""The interface of all runtimes, and what is common to them on a CPU."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from common.process.cores import available_cores

CPU_BATCH = 16  # pictures; more take as long each
FLOAT32_TOLERANCE = 1e-4  # of a probability; measured differences are below 1e-6
INT8_TOLERANCE = 1.0  # of a probability: what it decides counts, see agreement


class Runtime(Protocol):
    """Computes probabilities of one model on one device."""

    name: str
    batch_size: int  # pictures at a time, with which the device works best
    streams: int  # threads that may, and should, ask at the same time
    tolerance: float  # by how much a probability may differ from the reference

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        """uint8 pictures (n, 3, size, size) on the CPU to float32 (n, classes)."""


def cpu_streams() -> int:
    """Cores that this process may use: batches side by side, one core each, keep them busiest."""
    return available_cores()
