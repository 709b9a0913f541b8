"""The interface of all runtimes, and what is common to them on a CPU."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from common.process.cores import available_cores

CPU_BATCH = 16  # pictures; larger batches are not faster per picture
FLOAT32_TOLERANCE = 1e-4  # of a probability; measured differences are below 1e-6
INT8_TOLERANCE = 1.0  # of a probability; int8 is judged by its decisions, see `check_agreement`


class Runtime(Protocol):
    """Computes the probabilities of one model on one device."""

    name: str
    batch_size: int  # pictures per call with which the device is fastest
    streams: int  # threads that may, and should, call at the same time
    tolerance: float  # how much a probability may differ from the reference

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        """uint8 pictures (n, 3, size, size) on the CPU to float32 (n, classes)."""


def cpu_streams() -> int:
    """The cores of this process; batches side by side, one core each, use them best."""
    return available_cores()
