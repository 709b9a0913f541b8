"""Lanes between the memory of the host and a device: each carries one batch at a time.

On CUDA a lane has a stream of its own, so while one lane copies, another computes. Its buffers are
page-locked, which a copy needs to go on beside the computation, and kept, since to lock pages takes
longer than to copy them and may hold up the device. On a CPU a lane does the same in ordinary
memory.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray


class HostBuffer:
    """Memory of the host for one tensor at a time, as large as the largest so far."""

    def __init__(self, *, pinned: bool) -> None:
        self._pinned = pinned
        self._memory = torch.empty(0)

    def filled(self, tensor: torch.Tensor) -> torch.Tensor:
        """A copy of the tensor, which lasts until the next one is asked for.

        From a device the copy is only begun: it is there when the stream has come so far.
        """
        fits = self._memory.shape[1:] == tensor.shape[1:] and len(self._memory) >= len(tensor)
        if not fits or self._memory.dtype != tensor.dtype:
            self._memory = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=self._pinned)
        return self._memory[: len(tensor)].copy_(tensor, non_blocking=True)


class Lane:
    """The way of a batch to the device and of its probabilities back; for one thread at a time."""

    def __init__(self, device: torch.device) -> None:
        on_cuda = device.type == "cuda"
        self._device = device
        self._stream = torch.cuda.Stream(device) if on_cuda else None  # type: ignore[no-untyped-call]
        self._pictures = HostBuffer(pinned=on_cuda)
        self._probabilities = HostBuffer(pinned=on_cuda)

    def carry(
        self, batch: torch.Tensor, compute: Callable[[torch.Tensor], torch.Tensor]
    ) -> NDArray[np.float32]:
        """What `compute` makes on the device of uint8 pictures (n, 3, size, size) on the CPU.

        Raises:
            torch.OutOfMemoryError: the batch does not fit into the memory of the device.
        """
        with torch.inference_mode(), self._own_stream():
            pictures = self._pictures.filled(batch).to(self._device, non_blocking=True)
            probabilities = compute(pictures.to(memory_format=torch.channels_last))
            found = self._probabilities.filled(probabilities)
        return found.numpy().copy()

    @contextmanager
    def _own_stream(self) -> Iterator[None]:
        """Whatever the block asks of the device goes into the lane's stream, and is done after."""
        if self._stream is None:
            yield
            return
        # Blocking: it leaves the core to those who decode, where it would else be spun on.
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            try:
                yield
            finally:
                done.record()
                done.synchronize()
