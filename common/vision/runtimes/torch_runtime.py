"""PyTorch: the runtime that is always there, on a CPU and on CUDA."""

import queue
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

from common.errors import ModelError
from common.process.cores import cores
from common.vision.model import Model
from common.vision.runtimes.fusion import fused
from common.vision.runtimes.interface import CPU_BATCH, FLOAT32_TOLERANCE, cpu_streams
from common.vision.runtimes.lanes import Lane

# An H100 classifies 6,500 pictures a second in batches of 32, waiting for its kernels to be sent,
# and 51,000 in batches of 256 (resnet18, 128 px).
CUDA_BATCH = 256
CUDA_STREAMS = 2  # one copies, the other computes
BFLOAT16_TOLERANCE = 0.02  # of a probability; bfloat16 keeps 8 bits


def pick_device() -> torch.device:
    """A CUDA device where there is one, the CPU otherwise."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class TorchRuntime:
    """PyTorch: bfloat16 on CUDA, float32 and fused convolutions on a CPU.

    Batches that do not fit into the memory of the device are halved, now and from then on.
    On CUDA it takes over the weights of the model. On a CPU, a thread that asks computes with as
    many threads as `torch.set_num_threads` allows.
    """

    def __init__(self, model: Model, device: torch.device | None = None) -> None:
        self._device = device or pick_device()
        self._on_cuda = self._device.type == "cuda"
        whole = model.predictor if self._on_cuda else fused(model)
        predictor = whole.to(self._device)
        self._predictor = predictor.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self._on_cuda:
            torch.cuda.synchronize(self._device)  # lanes do not wait for the stream of the weights
        self._largest: int | None = None  # pictures that fit; None: all so far
        self.name = f"torch-{self._device}"
        self.batch_size = CUDA_BATCH if self._on_cuda else CPU_BATCH
        self.streams = CUDA_STREAMS if self._on_cuda else cpu_streams()
        self.tolerance = BFLOAT16_TOLERANCE if self._on_cuda else FLOAT32_TOLERANCE
        self._lanes: queue.LifoQueue[Lane] = queue.LifoQueue()
        for _ in range(self.streams):
            self._lanes.put(Lane(self._device))

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        """uint8 pictures (n, 3, size, size) on the CPU to float32 (n, classes).

        More than `streams` threads at a time wait for one another.

        Raises:
            ModelError: not even one picture fits into the memory of the device.
        """
        while True:
            parts = torch.split(batch, self._largest or max(1, len(batch)))
            found = self._carried(parts)
            if found is not None:
                return found
            self._halve(len(parts[0]))  # after the error, whose traceback held on to the memory

    def _carried(self, parts: Sequence[torch.Tensor]) -> NDArray[np.float32] | None:
        """The probabilities; None where a part does not fit into the memory."""
        lane = self._lanes.get()
        try:
            return np.concatenate([lane.carry(part, self._compute) for part in parts])
        except torch.OutOfMemoryError:
            return None
        finally:
            self._lanes.put(lane)

    def _compute(self, pictures: torch.Tensor) -> torch.Tensor:
        with (
            nullcontext() if self._on_cuda else cores.turn(),
            torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._on_cuda),
        ):
            return self._predictor(pictures)  # type: ignore[no-any-return]

    def _halve(self, size: int) -> None:
        if size == 1:
            raise ModelError(f"One picture does not fit into the memory of {self._device}.")
        self._largest = min(self._largest or size, size // 2)  # another thread may know of less
        if self._on_cuda:
            torch.cuda.empty_cache()
