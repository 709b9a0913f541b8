"""PyTorch: the runtime that is always installed, on a CPU and on CUDA.

A lane copies one batch at a time to the device, and its rows back. On CUDA each lane has
its own stream, so one lane copies while another computes. Its buffers are page-locked, which a
copy needs to run beside the computation. They are reused, since locking pages takes longer than
copying them and may block the device. On a CPU a lane does the same in ordinary memory.
"""

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from common.errors import ModelError
from common.process.cores import cores
from common.vision.network import is_out_of_memory
from common.vision.runtimes.devices import pick_device
from common.vision.runtimes.interface import (
    CPU_BATCH,
    FLOAT16_TOLERANCE,
    FLOAT32_TOLERANCE,
    cpu_streams,
)
from common.vision.runtimes.onnx_export import fused
from common.vision.served import Rows, Served, ServedNetwork

# An H100 classifies 6,500 pictures per second in batches of 32, limited by kernel launches, and
# 51,000 in batches of 256 (resnet18, 128 px).
CUDA_BATCH = 256
CUDA_SIZES = (32, 64, 128, CUDA_BATCH)  # that cuDNN prepares; any other would be new to it
CUDA_STREAMS = 2  # one copies, the other computes
HALVED_SECONDS = 600.0  # until the memory of the device is tried again; others may have left it


class HostBuffer:
    """Host memory for one tensor at a time, as large as the largest so far."""

    def __init__(self, *, pinned: bool) -> None:
        self._pinned = pinned
        self._memory = torch.empty(0)

    def filled(self, tensor: torch.Tensor, *, padded: int = 0) -> torch.Tensor:
        """A copy of the tensor, with rows of 0 after it up to `padded`, valid until the next call.

        A copy from a device is asynchronous: it is complete when the stream reaches it.
        """
        rows, shape = max(padded, len(tensor)), tensor.shape[1:]
        fits = self._memory.shape[1:] == shape and len(self._memory) >= rows
        if not fits or self._memory.dtype != tensor.dtype:
            self._memory = torch.empty((rows, *shape), dtype=tensor.dtype, pin_memory=self._pinned)
        self._memory[: len(tensor)].copy_(tensor, non_blocking=True)
        self._memory[len(tensor) : rows].zero_()  # not the last batch, which may be a culprit
        return self._memory[:rows]


class Lane:
    """Copies a batch to the device and its rows back; for one thread at a time."""

    def __init__(self, device: torch.device) -> None:
        on_cuda = device.type == "cuda"
        self._device = device
        self._stream = torch.cuda.Stream(device) if on_cuda else None  # type: ignore[no-untyped-call]
        self._pictures = HostBuffer(pinned=on_cuda)
        self._rows = HostBuffer(pinned=on_cuda)

    def carry(
        self,
        batch: torch.Tensor,
        compute: Callable[[torch.Tensor], torch.Tensor],
        *,
        padded: int = 0,
    ) -> Rows:
        """Apply `compute` on the device to uint8 pictures (n, 3, size, size) on the CPU.

        With fewer than `padded` pictures, it computes others as well.

        Raises:
            RuntimeError: for one, the batch does not fit into the memory of the device.
        """
        with torch.inference_mode(), self._own_stream():
            pictures = self._pictures.filled(batch, padded=padded)
            pictures = pictures.to(self._device, non_blocking=True)
            rows = compute(pictures.to(memory_format=torch.channels_last))
            found = self._rows.filled(rows[: len(batch)])
        return found.numpy().copy()

    @contextmanager
    def _own_stream(self) -> Iterator[None]:
        """Run the block in the lane's stream, and wait for the stream at its end."""
        if self._stream is None:
            yield
            return
        # Blocking, since spinning would take a core from the decoders.
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            try:
                yield
            finally:
                done.record()
                done.synchronize()


def in_float16(network: ServedNetwork) -> ServedNetwork:
    """The network itself, after its members were cast; batch norms keep float32 parameters."""
    for module in network.members.half().modules():
        if isinstance(module, _BatchNorm):
            module.float()
    network.normalised.register_forward_hook(lambda *given: given[-1].half())
    return network


class TorchRuntime:
    """PyTorch, on a copy of the network with fused convolutions, in float32 or float16.

    Batches that do not fit into the memory of the device are halved for some minutes. On a CPU,
    each calling thread computes with as many threads as `torch.set_num_threads` allows.
    """

    def __init__(
        self, served: Served, device: torch.device | None = None, *, halves: bool = False
    ) -> None:
        self.device = device or pick_device()
        self._on_cuda = self.device.type == "cuda"
        # torch's own signature of `to` has memory formats in some releases only.
        network: Any = in_float16(fused(served.network)) if halves else fused(served.network)
        self._network: nn.Module = network.to(self.device, memory_format=torch.channels_last)
        if self._on_cuda:
            torch.cuda.synchronize(self.device)  # the lanes' streams do not wait for this copy
        self._sizes = CUDA_SIZES if self._on_cuda else ()
        self._largest: int | None = None  # pictures that fit; None: all so far
        self._halved_until = 0.0  # of the monotonic clock
        self.name = f"torch-{self.device}{'-float16' if halves else ''}"
        self.batch_size = CUDA_BATCH if self._on_cuda else CPU_BATCH
        self.streams = CUDA_STREAMS if self._on_cuda else cpu_streams()
        self.tolerance = FLOAT16_TOLERANCE if halves else FLOAT32_TOLERANCE
        self._lanes: queue.LifoQueue[Lane] = queue.LifoQueue()
        for _ in range(self.streams):
            self._lanes.put(Lane(self.device))

    def rows(self, batch: torch.Tensor) -> Rows:
        """See `Runtime`.

        At most `streams` threads compute at a time; others wait.

        Raises:
            ModelError: not even one picture fits into the memory of the device.
        """
        if self._largest and time.monotonic() > self._halved_until:
            self._largest = None
        while True:
            most = self._sizes[-1] if self._sizes else max(1, len(batch))
            parts = torch.split(batch, min(self._largest or most, most))
            tried = self._padded(len(parts[0]))  # another thread may halve it now
            found = self._carried(parts)
            if found is not None:
                return found
            self._halve(tried)  # after the error, whose traceback holds the memory

    def _carried(self, parts: Sequence[torch.Tensor]) -> Rows | None:
        lane = self._lanes.get()
        try:
            found = [
                lane.carry(part, self._compute, padded=self._padded(len(part))) for part in parts
            ]
            return np.concatenate(found)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None
        finally:
            self._lanes.put(lane)

    def _padded(self, count: int) -> int:
        """The size of a batch with so many pictures: one of few, unless that is too large."""
        sizes = [size for size in self._sizes if count <= size <= (self._largest or size)]
        return min(sizes, default=count)

    def _compute(self, pictures: torch.Tensor) -> torch.Tensor:
        with nullcontext() if self._on_cuda else cores.turn():
            return self._network(pictures)  # type: ignore[no-any-return]

    def _halve(self, size: int) -> None:
        if size == 1:
            raise ModelError(f"One picture does not fit into the memory of {self.device}.")
        # Another thread may have halved it further.
        self._largest = min(self._largest or size, size // 2)
        self._halved_until = time.monotonic() + HALVED_SECONDS
        if self._on_cuda:
            torch.cuda.empty_cache()
