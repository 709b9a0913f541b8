"""Batches: pictures of all chunks in work are computed together.

So the device does not wait for the slow hosts of one chunk.
"""

import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import structlog
import torch
from numpy.typing import NDArray

from common.errors import DeviceError, RecordError
from common.reasons import Reason
from common.vision.runtimes import Runtime
from common.vision.served import Rows
from worker import metrics

MAX_WAIT = 0.2  # seconds that a picture of a job waits for others to share its batch
QUEUED_BATCHES = 4  # at which submitting blocks: decoding must not outrun the device
Row = NDArray[np.floating]
"""What a network says of one picture: probabilities (classes,), or an embedding (dimension,)."""

log = structlog.get_logger()


@dataclass(frozen=True)
class _Waiting:
    pixels: torch.Tensor
    future: "Future[Row]" = field(default_factory=Future)
    since: float = field(default_factory=time.perf_counter)
    of_chunk: dict[str, Any] = field(default_factory=structlog.contextvars.get_contextvars)


class Batcher:
    """Computes a row for each picture that threads submit, in full batches if there are enough.

    It has one thread for each stream of the runtime: on a CPU, one batch on each core is faster
    than one batch on all cores.
    """

    def __init__(self, runtime: Runtime, *, batch_size: int, max_wait: float = MAX_WAIT) -> None:
        self._runtime = runtime
        self._batch_size = batch_size
        self._max_wait = max_wait
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._filling = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name=f"batcher-{number}", daemon=True)
            for number in range(runtime.streams)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def submit(self, pixels: torch.Tensor) -> "Future[Row]":
        """Queue one picture, uint8 (3, height, width).

        The future holds float32 (numbers,), a RecordError if the runtime fails with this picture,
        or a DeviceError if it fails with any.
        """
        waiting = _Waiting(pixels)
        with self._changed:
            self._changed.wait_for(self._has_room)
            self._waiting.append(waiting)
            if len(self._waiting) == 1 or len(self._waiting) % self._batch_size == 0:
                self._changed.notify_all()  # waking costs more than adding
        return waiting.future

    def stop(self) -> None:
        """Compute the queued pictures and end the threads; after this no thread may submit."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._compute(batch)

    def _next_batch(self) -> list[_Waiting]:
        """One to batch_size pictures; none if the batcher is stopped and the queue empty."""
        with self._filling, self._changed:  # one thread at a time: no two half-empty batches
            self._changed.wait_for(lambda: self._stopped or self._waiting)
            if self._waiting:
                spent = time.perf_counter() - self._waiting[0].since
                self._changed.wait_for(self._is_full, timeout=max(0.0, self._max_wait - spent))
            count = min(self._batch_size, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            self._changed.notify_all()  # there is room again
            return batch

    def _is_full(self) -> bool:
        return self._stopped or len(self._waiting) >= self._batch_size

    def _has_room(self) -> bool:
        return len(self._waiting) < QUEUED_BATCHES * self._batch_size

    def _compute(self, batch: list[_Waiting]) -> None:
        metrics.BATCH.observe(len(batch))
        waited = metrics.STAGE_SECONDS.labels("wait")
        for each in batch:
            waited.observe(time.perf_counter() - each.since)
        try:
            with metrics.timed("infer"):
                rows = self._runtime.rows(torch.stack([each.pixels for each in batch]))
            usable = [bool(np.isfinite(row).all()) for _, row in zip(batch, rows, strict=True)]
        except Exception:  # noqa: BLE001 - it is logged, and each runtime has its own errors
            self._log_failure(batch)
            self._compute_singly(batch)
            return
        for each, row, is_usable in zip(batch, rows, usable, strict=True):
            if is_usable:
                each.future.set_result(row)
        self._compute_singly(
            [w for w, is_usable in zip(batch, usable, strict=True) if not is_usable]
        )

    def _log_failure(self, batch: list[_Waiting]) -> None:
        """A line for each chunk that has pictures in the batch: this thread knows of none."""
        by_chunk = sorted((each.of_chunk for each in batch), key=str)
        for of_chunk, pictures in groupby(by_chunk):
            count = len(list(pictures))
            log.exception(
                "the runtime failed", runtime=self._runtime.name, pictures=count, **of_chunk
            )

    def _compute_singly(self, batch: list[_Waiting]) -> None:
        """Compute pictures one by one, so that one that fails does not fail the others."""
        for each in batch:
            pixels = each.pixels.unsqueeze(0)
            try:
                each.future.set_result(self._rows(pixels)[0])
            except Exception as error:  # noqa: BLE001 - as above
                each.future.set_exception(self._blamed(error, pixels))

    def _blamed(self, error: Exception, pixels: torch.Tensor) -> DeviceError | RecordError:
        """A RecordError if a black picture of this size can be computed, else a DeviceError."""
        told = f"{self._runtime.name} failed: {type(error).__name__}: {error}"
        try:
            self._rows(torch.zeros_like(pixels))
        except Exception:  # noqa: BLE001 - as above
            return DeviceError(told)
        return Reason.RUNTIME_FAILED.error(told)

    def _rows(self, pixels: torch.Tensor) -> Rows:
        """A row of finite numbers for each picture; a broken device may return others."""
        rows = self._runtime.rows(pixels)
        if len(rows) != len(pixels) or not np.isfinite(rows).all():
            raise ValueError(
                f"for {len(pixels)} pictures the network gave {rows.shape} numbers, or some are "
                "not finite"
            )
        return rows
