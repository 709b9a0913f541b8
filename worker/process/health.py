"""How a worker shows that it is alive and ready: in a file for a probe, and in the store.

Alive: the threads that renew leases and ask for chunks do their work, and no chunk in work hangs. A
worker is alive while the broker or the database is away, since a restart would not bring them back.
Ready: nothing is missing that it cannot work without (`needs`), a model is loaded, and the database
can be reached.
"""

import time
from collections.abc import Callable
from pathlib import Path

import structlog
from pydantic import ValidationError
from sqlalchemy import Engine

from common.errors import EnrichmentError, UsageError
from common.files import write_atomically
from common.process.database_trouble import trouble
from common.process.periodic import AWAY, PeriodicThread
from worker.ledger import roster
from worker.ledger.roster import WorkerState

BEAT_SECONDS = 5.0
DEAD_AFTER = 60.0  # seconds without a beat; a machine under load may miss a few

log = structlog.get_logger()


class Heartbeat(PeriodicThread):
    """Writes the state to the file, if there is one, every `interval` seconds while alive."""

    def __init__(
        self,
        path: Path | None,
        state: Callable[[], WorkerState],
        *,
        interval: float = BEAT_SECONDS,
    ) -> None:
        super().__init__("heartbeat", interval=interval, at_once=True)
        self._path = path
        self._state = state
        self._warned: set[str] = set()

    def run_once(self) -> None:
        state = self._state()
        for thread, seconds in state.stalled.items():
            if thread not in self._warned:
                what = "a thread of the worker does not do its work"
                log.warning(what, thread=thread, seconds=round(seconds))
        self._warned = set(state.stalled)
        if state.hangs:
            log.error("a thread of the worker has ended, or a chunk hangs: the heartbeat stops")
        else:
            write_beat(self._path, state)

    def stop(self) -> None:
        super().stop()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class Presence(PeriodicThread):
    """Tells the store of the state; a thread of its own, since a frozen store holds it up."""

    def __init__(self, engine: Engine, state: Callable[[], WorkerState]) -> None:
        super().__init__("presence", interval=BEAT_SECONDS, at_once=True)
        self._engine = engine
        self._state = state

    def run_once(self) -> None:
        roster.tell(self._engine, self._state())

    def stop(self) -> None:
        super().stop()
        try:
            roster.leave(self._engine, self._state().name)
        except AWAY as error:
            log.warning(
                f"{trouble(error)}; the store shows this worker as alive for a few more seconds"
            )


def write_beat(path: Path | None, state: WorkerState) -> None:
    """Write the file, if there is one; where that fails, it is logged."""
    if path is None:
        return
    try:
        write_atomically(path, state.model_dump_json())
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
        state = WorkerState.model_validate_json(path.read_bytes())
    except OSError as error:
        raise EnrichmentError(
            f"There is no file {path}. No worker runs here, or it is just starting."
        ) from error
    except ValidationError as error:
        raise EnrichmentError(f"{path} is not a heartbeat of a worker of this release.") from error
    if silent > DEAD_AFTER:
        raise EnrichmentError(f"The worker's last heartbeat was {silent:.0f} seconds ago.")
    if state.stalled:
        stalled = (
            f"the thread {thread} has not done its work for {seconds:.0f} seconds"
            for thread, seconds in state.stalled.items()
        )
        raise EnrichmentError(f"The worker has stalled: {'; '.join(stalled)}.")
    if ready:
        _check_ready(state)


def _check_ready(state: WorkerState) -> None:
    missing = [problem.what for problem in state.problems if problem.stops]
    if missing:
        raise EnrichmentError(f"The worker is alive, but not ready: {'; '.join(missing)}.")
    if not state.has_model:
        raise EnrichmentError("The worker is alive, but has not loaded a model.")
