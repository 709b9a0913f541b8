"""The models that this process has loaded, each with a batcher.

Jobs in work may use different models. A batcher fills batches with pictures of all chunks in work,
so that the device does not wait for the slow hosts of one chunk.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from common.errors import DeviceError, ModelError, RecordError
from common.reasons import Reason
from common.vision.model import SELF_TEST_TOLERANCE, Model
from common.vision.runtimes import Runtime, RuntimeChoice, choose_runtime
from common.vision.runtimes.choice import EXPORTS
from common.vision.saved_model import load_bundle
from worker import metrics

MAX_WAIT = 0.2  # seconds that a picture waits for others to share its batch
QUEUED_BATCHES = 4  # at which submitting blocks: decoding must not outrun the device
Probabilities = NDArray[np.float32]
log = structlog.get_logger()
MAX_LOADED = 2  # models that stay loaded while no chunk uses them
_MODEL = text("SELECT path, sha256 FROM model WHERE id = :model_id")
_ACTIVE = text("SELECT id FROM model WHERE stage = 'active'")


@dataclass(frozen=True)
class _Waiting:
    pixels: torch.Tensor
    future: "Future[Probabilities]" = field(default_factory=Future)
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """Classifies pictures that threads submit, in full batches if there are enough.

    It has one thread for each stream of the runtime: on a CPU, one batch on each core is faster
    than one batch on all cores.
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
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def submit(self, pixels: torch.Tensor) -> "Future[Probabilities]":
        """Queue one picture, uint8 (3, height, width).

        The future holds float32 (classes,), a RecordError if the runtime fails with this picture,
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
        """Classify the queued pictures and end the threads; no thread may submit any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._classify(batch)

    def _next_batch(self) -> list[_Waiting]:
        """One to batch_size pictures; none if the batcher is stopped and the queue empty."""
        with self._filling, self._changed:  # one thread at a time: no two half-empty batches
            self._changed.wait_for(lambda: self._stopped or self._waiting)
            if self._waiting:
                spent = time.perf_counter() - self._waiting[0].since
                self._changed.wait_for(self._is_full, timeout=max(0.0, MAX_WAIT - spent))
            count = min(self._batch_size, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            self._changed.notify_all()  # there is room again
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
        except Exception:  # each runtime has its own errors
            log.exception("the runtime failed", runtime=self._runtime.name, pictures=len(batch))
            self._classify_singly(batch)
            return
        for each, row in zip(batch, rows, strict=True):
            each.future.set_result(row)

    def _classify_singly(self, batch: list[_Waiting]) -> None:
        """Classify a failed batch one by one, so that one picture does not fail the others."""
        for each in batch:
            pixels = each.pixels.unsqueeze(0)
            try:
                each.future.set_result(self._probabilities(pixels)[0])
            except Exception as error:  # noqa: BLE001 - as above
                each.future.set_exception(self._blamed(error, pixels))

    def _blamed(self, error: Exception, pixels: torch.Tensor) -> DeviceError | RecordError:
        """A RecordError if a black picture of this size can be classified, else a DeviceError."""
        told = f"{self._runtime.name} failed: {type(error).__name__}: {error}"
        try:
            self._probabilities(torch.zeros_like(pixels))
        except Exception:  # noqa: BLE001 - as above
            return DeviceError(told)
        return Reason.RUNTIME_FAILED.error(told)

    def _probabilities(self, pixels: torch.Tensor) -> Probabilities:
        """A row of finite numbers for each picture; a broken device may return others."""
        rows = self._runtime.rows(pixels)
        if len(rows) != len(pixels) or not np.isfinite(rows).all():
            raise ValueError(f"{len(pixels)} pictures gave {rows.shape}, not all finite numbers")
        return rows


class LoadedModel:
    """A model and the batcher that classifies with it."""

    def __init__(self, model: Model, runtime: Runtime, *, batch_size: int | None) -> None:
        self.model = model
        self.runtime = runtime.name
        self.batcher = Batcher(runtime, batch_size=batch_size or runtime.batch_size)
        self.batcher.start()


class _Place:
    """A place for one model: its first user loads it, and its other users wait."""

    def __init__(self) -> None:
        self.loading = threading.Lock()
        self.loaded: LoadedModel | None = None
        self.users = 0

    def stop(self) -> None:
        if self.loaded:
            self.loaded.batcher.stop()


class ModelPool:
    """Loads a model when a chunk first needs it.

    Beyond MAX_LOADED, models that no chunk uses are dropped, the longest unused first. While one
    model loads, chunks with other models continue.
    """

    def __init__(
        self,
        engine: Engine,
        model_dir: Path,
        *,
        runtime: RuntimeChoice = "auto",
        cache_dir: Path | None = None,
        batch_size: int | None = None,
    ) -> None:
        self._engine = engine
        self._model_dir = model_dir
        self._runtime = runtime
        self._cache_dir = cache_dir or model_dir / EXPORTS
        self._batch_size = batch_size
        self._places: dict[int, _Place] = {}
        self._lock = threading.Lock()

    @property
    def has_model(self) -> bool:
        """Whether a model is loaded."""
        with self._lock:
            return any(place.loaded for place in self._places.values())

    def load_active(self) -> None:
        """Load the active model, if any, before a chunk needs it.

        Raises:
            ModelError: see `use`.
        """
        with self._engine.connect() as connection:
            model_id = connection.execute(_ACTIVE).scalar_one_or_none()
        if model_id is None:
            log.warning("no model is active; one is loaded when a job needs it")
            return
        with self.use(model_id):
            pass

    @contextmanager
    def use(self, model_id: int) -> Iterator[LoadedModel]:
        """The model; it stays loaded until the block ends.

        Raises:
            ModelError: the bundle is missing, damaged or not the promoted one, or the model gives
                other results than at promotion.
            UsageError: the requested runtime is not installed.
        """
        with self._lock:
            place = self._places.pop(model_id, None) or _Place()
            self._places[model_id] = place  # at the end: the order is that of the last use
            place.users += 1
            dropped = self._drop_unused()
        for each in dropped:
            each.stop()
        try:
            with place.loading:
                place.loaded = loaded = place.loaded or self._load(model_id)
            yield loaded
        finally:
            with self._lock:
                place.users -= 1

    def close(self) -> None:
        """End all batchers."""
        with self._lock:
            for place in self._places.values():
                place.stop()
            self._places.clear()

    def _load(self, model_id: int) -> LoadedModel:
        with self._engine.connect() as connection:
            row = connection.execute(_MODEL, {"model_id": model_id}).one_or_none()
        if row is None:
            raise ModelError(f"There is no model with number {model_id} in the store.")
        model = load_bundle(self._model_dir / row.path, expected_sha256=row.sha256)
        runtime = choose_runtime(model, self._runtime, cache_dir=self._cache_dir)
        tolerance = max(SELF_TEST_TOLERANCE, runtime.tolerance)
        model.self_test(runtime.rows, tolerance=tolerance)
        log.info("model loaded", model=row.path, runtime=runtime.name)
        return LoadedModel(model, runtime, batch_size=self._batch_size)

    def _drop_unused(self) -> list[_Place]:
        unused = [number for number, place in self._places.items() if not place.users]
        surplus = max(0, len(self._places) - MAX_LOADED)
        return [self._places.pop(number) for number in unused[:surplus]]
