"""The heartbeat file: it tells a container's probe whether the worker is alive, and ready.

Alive: the threads that renew leases and choose chunks run, and no chunk in work hangs. A worker is
alive while the broker or the database is away, since a restart would not bring them back. Ready: a
model is loaded, and the database can be reached.
"""

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from common.errors import EnrichmentError, UsageError
from common.files import write_atomically
from common.process.periodic import PeriodicThread

BEAT_SECONDS = 5.0
DEAD_AFTER = 60.0  # seconds without a beat; a machine under load may miss a few
_MODEL_LOADED = "alive, model loaded\n"
_NO_MODEL = "alive, no model loaded\n"

log = structlog.get_logger()


class Heartbeat(PeriodicThread):
    """Writes the file at once, and then every `interval` seconds while the worker is alive."""

    def __init__(
        self,
        path: Path,
        *,
        alive: Callable[[], bool],
        model_loaded: Callable[[], bool],
        interval: float = BEAT_SECONDS,
    ) -> None:
        super().__init__("heartbeat", interval=interval, at_once=True)
        self._path = path
        self._alive = alive
        self._model_loaded = model_loaded

    def run_once(self) -> None:
        """Write the file, unless the worker hangs."""
        if not self._alive():
            log.error("a thread of the worker has ended or hangs; the heartbeat stops")
            return
        try:
            write_atomically(self._path, _MODEL_LOADED if self._model_loaded() else _NO_MODEL)
        except EnrichmentError as error:
            log.error("no heartbeat", error=str(error))

    def stop(self) -> None:
        """End the thread, and remove the file."""
        super().stop()
        self._path.unlink(missing_ok=True)


def check_alive(path: Path | None, *, model_loaded: bool = False) -> None:
    """Check that the worker of a heartbeat file is alive and, if asked for, has loaded a model.

    Raises:
        EnrichmentError: the worker is not; the message says what is wrong.
        UsageError: no file is configured.
    """
    if path is None:
        raise UsageError("WORKER_HEARTBEAT_FILE is not set, for this command or for the worker.")
    try:
        silent = time.time() - path.stat().st_mtime
        said = path.read_text()
    except OSError as error:
        raise EnrichmentError(f"{path} is not there: no worker runs, or it is starting.") from error
    if silent > DEAD_AFTER:
        raise EnrichmentError(f"The worker's last heartbeat was {silent:.0f} seconds ago.")
    if model_loaded and said != _MODEL_LOADED:
        raise EnrichmentError("The worker is alive, but has not loaded a model.")
