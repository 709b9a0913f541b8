"""The models that this process has loaded: the jobs in work may use different ones."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import Engine, text

from common.errors import ModelError
from common.vision.model import Model, load_bundle
from common.vision.runtimes import TorchRuntime
from worker.batcher import Batcher

MAX_LOADED = 2  # models that stay loaded while no chunk uses them

log = structlog.get_logger()

_MODEL = text("SELECT path, sha256 FROM model WHERE id = :model_id")


class LoadedModel:
    """A model and the batcher that classifies with it."""

    def __init__(self, model: Model, *, batch_size: int | None) -> None:
        self.model = model
        runtime = TorchRuntime(model)
        self.batcher = Batcher(runtime, batch_size=batch_size or runtime.batch_size)
        self.users = 0
        self.batcher.start()


class ModelPool:
    """Loads models when a chunk first needs them; drops the longest unused beyond MAX_LOADED."""

    def __init__(self, engine: Engine, model_dir: Path, *, batch_size: int | None) -> None:
        self._engine = engine
        self._model_dir = model_dir
        self._batch_size = batch_size
        self._loaded: dict[int, LoadedModel] = {}
        self._lock = threading.Lock()

    @contextmanager
    def use(self, model_id: int) -> Iterator[LoadedModel]:
        """The loaded model, which stays loaded until the block ends.

        Raises:
            ModelError: the bundle is missing, damaged, or not the one that was promoted.
        """
        with self._lock:
            loaded = self._loaded.pop(model_id, None) or self._load(model_id)
            self._loaded[model_id] = loaded
            loaded.users += 1
            dropped = self._drop_unused()
        for each in dropped:
            each.batcher.stop()
        try:
            yield loaded
        finally:
            with self._lock:
                loaded.users -= 1

    def close(self) -> None:
        """End all batchers."""
        with self._lock:
            for loaded in self._loaded.values():
                loaded.batcher.stop()
            self._loaded.clear()

    def _load(self, model_id: int) -> LoadedModel:
        with self._engine.connect() as connection:
            row = connection.execute(_MODEL, {"model_id": model_id}).one_or_none()
        if row is None:
            raise ModelError(f"There is no model with number {model_id} in the store.")
        model = load_bundle(self._model_dir / row.path, expected_sha256=row.sha256)
        log.info("model loaded", model=row.path)
        return LoadedModel(model, batch_size=self._batch_size)

    def _drop_unused(self) -> list[LoadedModel]:
        unused = [number for number, loaded in self._loaded.items() if not loaded.users]
        surplus = max(0, len(self._loaded) - MAX_LOADED)
        return [self._loaded.pop(number) for number in unused[:surplus]]
