"""The batcher: fills batches with pictures from all chunks in work, so that the device never
waits for one chunk's slow museum."""

import queue
import threading
import time
from concurrent.futures import Future

import numpy as np
import torch
from numpy.typing import NDArray

from common.vision.runtimes import Runtime

MAX_WAIT = 0.05  # seconds that a picture waits for others to share its batch
QUEUED_BATCHES = 4  # beyond these, submitting blocks: decoding must not outrun the device

Probabilities = NDArray[np.float32]
_Waiting = tuple[torch.Tensor, "Future[Probabilities]"]


class Batcher(threading.Thread):
    """Classifies pictures that threads submit, a full batch at a time where there are enough."""

    def __init__(self, runtime: Runtime, *, batch_size: int) -> None:
        super().__init__(name="batcher", daemon=True)
        self._runtime = runtime
        self._batch_size = batch_size
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(QUEUED_BATCHES * batch_size)

    def submit(self, pixels: torch.Tensor) -> "Future[Probabilities]":
        """Queue one picture, uint8 (3, height, width); the future holds float32 (classes,)."""
        future: Future[Probabilities] = Future()
        self._queue.put((pixels, future))
        return future

    def stop(self) -> None:
        """Classify what is queued, then end the thread."""
        self._queue.put(None)
        self.join()

    def run(self) -> None:
        while batch := self._next_batch():
            self._classify(batch)

    def _next_batch(self) -> list[_Waiting]:
        """One to batch_size pictures; none once the batcher is stopped and the queue empty."""
        first = self._queue.get()
        batch = [] if first is None else [first]
        deadline = time.monotonic() + MAX_WAIT
        while batch and len(batch) < self._batch_size:
            try:
                waiting = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if waiting is None:
                self._queue.put(None)
                break
            batch.append(waiting)
        return batch

    def _classify(self, batch: list[_Waiting]) -> None:
        try:
            probabilities = self._runtime.probabilities(torch.stack([each for each, _ in batch]))
        except Exception as error:  # noqa: BLE001 - belongs to those who wait for it
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), row in zip(batch, probabilities, strict=True):
            future.set_result(row)
