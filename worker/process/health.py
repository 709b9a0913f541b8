"""The heartbeat file: it tells a container's probe whether the worker is alive, and ready.

Alive: the threads that renew leases and ask for chunks do their work, and no chunk in work hangs. A
worker is alive while the broker or the database is away, since a restart would not bring them back.
Ready: nothing is missing that it cannot work without (`needs`), a model is loaded, and the database
can be reached.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from common.errors import EnrichmentError, UsageError
from common.files import write_atomically
from common.process.periodic import PeriodicThread

BEAT_SECONDS = 5.0
DEAD_AFTER = 60.0  # seconds without a beat; a machine under load may miss a few

log = structlog.get_logger()


class Beat(BaseModel):
    """What the file says: each problem is a sentence without its full stop."""

    model_config = ConfigDict(frozen=True)

    model_loaded: bool
    problems: tuple[str, ...] = ()
    stalled: tuple[str, ...] = ()


class Heartbeat(PeriodicThread):
    """Writes the file, if there is one, at once and then every `interval` seconds while alive.

    Args:
        alive: whether the threads exist and no chunk in work hangs.
        problems: what keeps the worker from working, as sentences without their full stops.
        threads: those whose work must not stop; one that has stalled is logged and told.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        alive: Callable[[], bool],
        model_loaded: Callable[[], bool],
        problems: Callable[[], Iterable[str]] = tuple,
        threads: Sequence[PeriodicThread] = (),
        interval: float = BEAT_SECONDS,
    ) -> None:
        super().__init__("heartbeat", interval=interval, at_once=True)
        self._path = path
        self._alive = alive
        self._model_loaded = model_loaded
        self._problems = problems
        self._threads = threads
        self._warned: set[str] = set()

    def run_once(self) -> None:
        """Write the file, unless the worker hangs."""
        stalled = self._stalled()
        if not self._alive():
            log.error("a thread of the worker has ended, or a chunk hangs: the heartbeat stops")
            return
        beat = Beat(
            model_loaded=self._model_loaded(),
            problems=tuple(self._problems()),
            stalled=stalled,
        )
        write_beat(self._path, beat)

    def _stalled(self) -> tuple[str, ...]:
        """What to say of the threads that have stalled; each is logged once until it runs again."""
        stalled = [thread for thread in self._threads if thread.is_stalled]
        for thread in stalled:
            if thread.name not in self._warned:
                log.warning(
                    "a thread of the worker does not do its work",
                    thread=thread.name,
                    seconds=round(thread.seconds_since_run),
                )
        self._warned = {thread.name for thread in stalled}
        return tuple(
            f"the thread {thread.name} has not done its work for "
            f"{thread.seconds_since_run:.0f} seconds"
            for thread in stalled
        )

    def stop(self) -> None:
        """End the thread, and remove the file."""
        super().stop()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def write_beat(path: Path | None, beat: Beat) -> None:
    """Write the file, if there is one; where that fails, it is logged."""
    if path is None:
        return
    try:
        write_atomically(path, beat.model_dump_json())
    except EnrichmentError as error:
        log.error("the heartbeat file cannot be written", error=str(error))


def check_alive(path: Path | None, *, ready: bool = False) -> None:
    """Check that the worker of a heartbeat file is alive and, if asked for, ready.

    Raises:
        EnrichmentError: the worker is not; the message says what is wrong.
        UsageError: no file is configured.
    """
    if path is None:
        raise UsageError(
            "WORKER_HEARTBEAT_FILE is not set. Give this command and the worker the same file, "
            "such as /tmp/heartbeat."
        )
    try:
        silent = time.time() - path.stat().st_mtime
        beat = Beat.model_validate_json(path.read_bytes())
    except OSError as error:
        raise EnrichmentError(
            f"{path} is not there: no worker runs here, or it is just starting."
        ) from error
    except ValidationError as error:
        raise EnrichmentError(f"{path} is no heartbeat of a worker of this release.") from error
    if silent > DEAD_AFTER:
        raise EnrichmentError(f"The worker's last heartbeat was {silent:.0f} seconds ago.")
    if beat.stalled:
        raise EnrichmentError(f"The worker has stalled: {'; '.join(beat.stalled)}.")
    if ready:
        _check_ready(beat)


def _check_ready(beat: Beat) -> None:
    if beat.problems:
        raise EnrichmentError(f"The worker is alive, but not ready: {'; '.join(beat.problems)}.")
    if not beat.model_loaded:
        raise EnrichmentError("The worker is alive, but has not loaded a model.")
