"""The interface of all runtimes, and what is common to them on a CPU."""

from typing import Protocol

import torch

from common.process.cores import available_cores
from common.vision.served import Rows

CPU_BATCH = 16  # pictures; larger batches are not faster per picture
FLOAT32_TOLERANCE = 1e-4  # of a number; measured differences are below 1e-6
FLOAT16_TOLERANCE = 0.02  # of a probability; float16 also has to decide alike


class Runtime(Protocol):
    name: str
    batch_size: int  # pictures per call with which the device is fastest
    device: torch.device  # that computes
    streams: int  # threads that may, and should, call at the same time
    tolerance: float  # how much a number may differ from the reference

    def rows(self, batch: torch.Tensor) -> Rows:
        """uint8 pictures (n, 3, size, size) on the CPU to a row for each of them."""


def cpu_streams() -> int:
    """The cores of this process; batches side by side, one core each, use them best."""
    return available_cores()
