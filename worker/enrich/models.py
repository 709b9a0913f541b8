"""The models that this process has loaded: the jobs in work may use different ones."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import Engine, text

from common.errors import ModelError
from common.vision.model import SELF_TEST_TOLERANCE, Model, load_bundle
from common.vision.runtimes import Runtime, RuntimeChoice, choose_runtime
from worker.enrich.batcher import Batcher

MAX_LOADED = 2  # models that stay loaded while no chunk uses them
EXPORTS = ".exports"  # in MODEL_DIR, unless WORKER_CACHE_DIR says otherwise

log = structlog.get_logger()

_MODEL = text("SELECT path, sha256 FROM model WHERE id = :model_id")
_ACTIVE = text("SELECT id FROM model WHERE stage = 'active'")


class LoadedModel:
    """A model and the batcher that classifies with it."""

    def __init__(self, model: Model, runtime: Runtime, *, batch_size: int | None) -> None:
        self.model = model
        self.runtime = runtime.name
        self.batcher = Batcher(runtime, batch_size=batch_size or runtime.batch_size)
        self.batcher.start()


class _Place:
    """Where one model is loaded, by the first who needs it; the others of its users wait."""

    def __init__(self) -> None:
        self.loading = threading.Lock()
        self.loaded: LoadedModel | None = None
        self.users = 0

    def stop(self) -> None:
        if self.loaded:
            self.loaded.batcher.stop()


class ModelPool:
    """Loads models when a chunk first needs them; drops the longest unused beyond MAX_LOADED.

    A model that is loading holds up nobody who uses another.
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
        """Load the active model, if there is one, before a chunk needs it.

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
        """The loaded model, which stays loaded until the block ends.

        Raises:
            ModelError: the bundle is missing, damaged, or not the one that was promoted, or the
                model does not say here what it said then.
            UsageError: the runtime asked for is not installed.
        """
        with self._lock:
            place = self._places.pop(model_id, None) or _Place()
            self._places[model_id] = place  # the last place is that of the last used
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
        model.self_test(runtime.probabilities, tolerance=tolerance)
        log.info("model loaded", model=row.path, runtime=runtime.name)
        return LoadedModel(model, runtime, batch_size=self._batch_size)

    def _drop_unused(self) -> list[_Place]:
        unused = [number for number, place in self._places.items() if not place.users]
        surplus = max(0, len(self._places) - MAX_LOADED)
        return [self._places.pop(number) for number in unused[:surplus]]
