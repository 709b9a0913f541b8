"""PyTorch: the runtime that is always installed, on a CPU and on CUDA.

A lane copies one batch at a time to the device, and its rows back. On CUDA each lane has
its own stream, so one lane copies while another computes. Its buffers are page-locked, which a
copy needs to run beside the computation. They are reused, since locking pages takes longer than
copying them and may block the device. On a CPU a lane does the same in ordinary memory.
"""

import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from common.errors import ModelError
from common.process.cores import cores
from common.vision.devices import pick_device
from common.vision.runtimes.interface import CPU_BATCH, FLOAT32_TOLERANCE, cpu_streams
from common.vision.runtimes.onnx_export import fused
from common.vision.served import Rows, Served

# An H100 classifies 6,500 pictures per second in batches of 32, limited by kernel launches, and
# 51,000 in batches of 256 (resnet18, 128 px).
CUDA_BATCH = 256
CUDA_STREAMS = 2  # one copies, the other computes
BFLOAT16_TOLERANCE = 0.02  # of a probability; bfloat16 keeps 8 bits


class HostBuffer:
    """Host memory for one tensor at a time, as large as the largest so far."""

    def __init__(self, *, pinned: bool) -> None:
        self._pinned = pinned
        self._memory = torch.empty(0)

    def filled(self, tensor: torch.Tensor) -> torch.Tensor:
        """A copy of the tensor, valid until the next call.

        A copy from a device is asynchronous: it is complete when the stream reaches it.
        """
        fits = self._memory.shape[1:] == tensor.shape[1:] and len(self._memory) >= len(tensor)
        if not fits or self._memory.dtype != tensor.dtype:
            self._memory = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=self._pinned)
        return self._memory[: len(tensor)].copy_(tensor, non_blocking=True)


class Lane:
    """Copies a batch to the device and its rows back; for one thread at a time."""

    def __init__(self, device: torch.device) -> None:
        on_cuda = device.type == "cuda"
        self._device = device
        self._stream = torch.cuda.Stream(device) if on_cuda else None  # type: ignore[no-untyped-call]
        self._pictures = HostBuffer(pinned=on_cuda)
        self._rows = HostBuffer(pinned=on_cuda)

    def carry(self, batch: torch.Tensor, compute: Callable[[torch.Tensor], torch.Tensor]) -> Rows:
        """Apply `compute` on the device to uint8 pictures (n, 3, size, size) on the CPU.

        Raises:
            torch.OutOfMemoryError: the batch does not fit into the memory of the device.
        """
        with torch.inference_mode(), self._own_stream():
            pictures = self._pictures.filled(batch).to(self._device, non_blocking=True)
            rows = compute(pictures.to(memory_format=torch.channels_last))
            found = self._rows.filled(rows)
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


class TorchRuntime:
    """PyTorch: on CUDA bfloat16, or float32 for encoders; on a CPU float32 and fused convolutions.

    Batches that do not fit into the memory of the device are halved, now and from then on. On CUDA
    it moves the weights to the device. On a CPU, each calling thread computes with as
    many threads as `torch.set_num_threads` allows.
    """

    def __init__(self, served: Served, device: torch.device | None = None) -> None:
        self._device = device or pick_device()
        self._on_cuda = self._device.type == "cuda"
        whole = served.network if self._on_cuda else fused(served.network)
        self._rounds = self._on_cuda and not served.is_exact
        # torch's own signature of `to` has memory formats in some releases only.
        network: Any = whole.to(self._device)
        self._network: torch.nn.Module = network.to(memory_format=torch.channels_last)
        if self._on_cuda:
            torch.cuda.synchronize(self._device)  # the lanes' streams do not wait for this copy
        self._largest: int | None = None  # pictures that fit; None: all so far
        self.name = f"torch-{self._device}"
        self.batch_size = CUDA_BATCH if self._on_cuda else CPU_BATCH
        self.streams = CUDA_STREAMS if self._on_cuda else cpu_streams()
        self.tolerance = BFLOAT16_TOLERANCE if self._rounds else FLOAT32_TOLERANCE
        self._lanes: queue.LifoQueue[Lane] = queue.LifoQueue()
        for _ in range(self.streams):
            self._lanes.put(Lane(self._device))

    def rows(self, batch: torch.Tensor) -> Rows:
        """See `Runtime`.

        At most `streams` threads compute at a time; others wait.

        Raises:
            ModelError: not even one picture fits into the memory of the device.
        """
        while True:
            parts = torch.split(batch, self._largest or max(1, len(batch)))
            found = self._carried(parts)
            if found is not None:
                return found
            self._halve(len(parts[0]))  # after the error, whose traceback holds the memory

    def _carried(self, parts: Sequence[torch.Tensor]) -> Rows | None:
        """The rows; None if a part does not fit into the memory."""
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
            torch.autocast(
                self._device.type,
                dtype=torch.bfloat16,
                enabled=self._rounds,
            ),
        ):
            return self._network(pictures)  # type: ignore[no-any-return]

    def _halve(self, size: int) -> None:
        if size == 1:
            raise ModelError(f"One picture does not fit into the memory of {self._device}.")
        self._largest = min(
            self._largest or size, size // 2
        )  # another thread may have halved it further
        if self._on_cuda:
            torch.cuda.empty_cache()
