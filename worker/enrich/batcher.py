"""The batcher: fills batches with pictures from all chunks in work, so that the device never
waits for one chunk's slow museum."""

import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
import structlog
import torch
from numpy.typing import NDArray

from common.errors import DeviceError, RecordError
from common.vision.runtimes import Runtime
from worker.process import metrics

MAX_WAIT = 0.2  # seconds that a picture waits for others to share its batch
QUEUED_BATCHES = 4  # beyond these, submitting blocks: decoding must not outrun the device
RUNTIME_FAILED = "runtime_failed"  # the reason of a picture that no runtime should fail at, but did

Probabilities = NDArray[np.float32]

log = structlog.get_logger()


@dataclass(frozen=True)
class _Waiting:
    pixels: torch.Tensor
    future: "Future[Probabilities]" = field(default_factory=Future)
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """Classifies pictures that threads submit, a full batch at a time where there are enough.

    One thread for each stream of the runtime: on a CPU, a batch on each core beats a batch on all.
    """

    def __init__(self, runtime: Runtime, *, batch_size: int) -> None:
        self._runtime = runtime
        self._batch_size = batch_size
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._filling = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name=f"batcher-{number}", daemon=True)
            for number in range(runtime.streams)
        ]

    def start(self) -> None:
        """Begin to classify."""
        for thread in self._threads:
            thread.start()

    def submit(self, pixels: torch.Tensor) -> "Future[Probabilities]":
        """Queue one picture, uint8 (3, height, width).

        The future holds float32 (classes,); a RecordError if the runtime fails at this picture, or
        a DeviceError if it fails at all.
        """
        waiting = _Waiting(pixels)
        with self._changed:
            self._changed.wait_for(self._has_room)
            self._waiting.append(waiting)
            if len(self._waiting) == 1 or len(self._waiting) % self._batch_size == 0:
                self._changed.notify_all()  # not for each picture: waking costs more than adding
        return waiting.future

    def stop(self) -> None:
        """Classify what is queued, then end the threads; nobody may submit any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._classify(batch)

    def _next_batch(self) -> list[_Waiting]:
        """One to batch_size pictures; none once the batcher is stopped and the queue empty."""
        with self._filling, self._changed:  # one thread at a time: no two half-empty batches
            self._changed.wait_for(lambda: self._stopped or self._waiting)
            if self._waiting:
                spent = time.perf_counter() - self._waiting[0].since
                self._changed.wait_for(self._is_full, timeout=max(0.0, MAX_WAIT - spent))
            count = min(self._batch_size, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            self._changed.notify_all()  # of room
            return batch

    def _is_full(self) -> bool:
        return self._stopped or len(self._waiting) >= self._batch_size

    def _has_room(self) -> bool:
        return len(self._waiting) < QUEUED_BATCHES * self._batch_size

    def _classify(self, batch: list[_Waiting]) -> None:
        metrics.BATCH.observe(len(batch))
        waited = metrics.STAGE_SECONDS.labels("wait")
        for each in batch:
            waited.observe(time.perf_counter() - each.since)
        try:
            with metrics.timed("infer"):
                rows = self._probabilities(torch.stack([each.pixels for each in batch]))
        except Exception:  # noqa: BLE001 - runtimes raise what their makers like
            log.exception("the runtime failed", runtime=self._runtime.name, pictures=len(batch))
            self._classify_singly(batch)
            return
        for each, row in zip(batch, rows, strict=True):
            each.future.set_result(row)

    def _classify_singly(self, batch: list[_Waiting]) -> None:
        """Find out what a batch failed at: its neighbours are not to pay for one picture."""
        for each in batch:
            pixels = each.pixels.unsqueeze(0)
            try:
                each.future.set_result(self._probabilities(pixels)[0])
            except Exception as error:  # noqa: BLE001 - as above
                each.future.set_exception(self._blamed(error, pixels))

    def _blamed(self, error: Exception, pixels: torch.Tensor) -> DeviceError | RecordError:
        """The picture is to blame where a black one of its size goes through, else the device."""
        told = f"{self._runtime.name} failed: {type(error).__name__}: {error}"
        try:
            self._probabilities(torch.zeros_like(pixels))
        except Exception:  # noqa: BLE001 - as above
            return DeviceError(told)
        return RecordError("classify", RUNTIME_FAILED, told)

    def _probabilities(self, pixels: torch.Tensor) -> Probabilities:
        """A row for each picture, of numbers: a device that is broken may say so or not."""
        rows = self._runtime.probabilities(pixels)
        if len(rows) != len(pixels) or not np.isfinite(rows).all():
            raise ValueError(f"{len(pixels)} pictures gave {rows.shape}, not all of it numbers")
        return rows
