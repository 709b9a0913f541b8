"""Is the worker alive, and ready? A file says so, which a container's probe reads.

Alive: the threads that renew leases and choose chunks run, and no chunk in work hangs. Neither a
lost broker nor a lost database makes a worker less alive, since starting it again would not bring
them back. Ready: a model is loaded, and the database can be reached.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from common.errors import EnrichmentError, UsageError
from common.files import write_atomically

BEAT_SECONDS = 5.0
DEAD_AFTER = 60.0  # seconds without a beat; a machine under load may miss some
_MODEL_LOADED = "alive, model loaded\n"
_NO_MODEL = "alive, no model loaded\n"

log = structlog.get_logger()


class Heartbeat(threading.Thread):
    """Writes the file again and again for as long as the worker is alive."""

    def __init__(
        self,
        path: Path,
        *,
        alive: Callable[[], bool],
        model_loaded: Callable[[], bool],
        interval: float = BEAT_SECONDS,
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._path = path
        self._alive = alive
        self._model_loaded = model_loaded
        self._interval = interval
        self._stopping = threading.Event()

    def run(self) -> None:
        self.beat()
        while not self._stopping.wait(self._interval):
            self.beat()

    def beat(self) -> None:
        """Write the file, if there is good news."""
        if not self._alive():
            log.error("a thread of the worker has ended or hangs; the heartbeat stops")
            return
        try:
            write_atomically(self._path, _MODEL_LOADED if self._model_loaded() else _NO_MODEL)
        except EnrichmentError as error:
            log.error("no heartbeat", error=str(error))

    def stop(self) -> None:
        """Ask the thread to end, wait for it, and remove the file."""
        self._stopping.set()
        self.join()
        self._path.unlink(missing_ok=True)


def check_alive(path: Path | None, *, model_loaded: bool = False) -> None:
    """Whether the worker of this heartbeat file is alive; with `model_loaded` also that.

    Raises:
        EnrichmentError: it is not; says what is wrong.
        UsageError: no file is configured.
    """
    if path is None:
        raise UsageError("WORKER_HEARTBEAT_FILE is not set, for this command or for the worker.")
    try:
        silent = time.time() - path.stat().st_mtime
        said = path.read_text()
    except OSError:
        raise EnrichmentError(f"{path} is not there: no worker runs, or it is starting.") from None
    if silent > DEAD_AFTER:
        raise EnrichmentError(f"The worker's last heartbeat was {silent:.0f} seconds ago.")
    if model_loaded and said != _MODEL_LOADED:
        raise EnrichmentError("The worker is alive, but has not loaded a model.")
