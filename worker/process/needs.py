"""What a worker needs to work: the API key, the models and the database; the broker for lists.

A worker without them does not end: they may come later. Without the broker it works on, since the
chunks are in the store; it only takes no lists. It names what is missing in its
log, in its heartbeat file and in the store, and looks again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine

from common.errors import EnrichmentError, StoreError
from common.process.database_trouble import trouble
from common.process.periodic import AWAY, PeriodicThread
from common.process.settings.worker import WorkerSettings
from common.store.session import open_store
from worker.ledger import roster
from worker.ledger.roster import WorkerProblem
from worker.process.health import Beat, write_beat

LOOK_SECONDS = 5.0  # between two looks, and two words to the store
AGAIN_SECONDS = 15.0  # until something that is missing is asked for again
NOT_READY = "this worker is not ready"
WORKS_ON = "this worker misses something, and works on"

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that a worker needs.

    `check` raises an EnrichmentError that says what is wrong. It is called every `seconds` while
    nothing is wrong. `stops`: whether a worker that misses it cannot work at all.
    """

    name: str
    check: Callable[[], None]
    seconds: float
    stops: bool = True


class Needs(PeriodicThread):
    """Checks the needs again and again, which may take minutes while a model is loaded."""

    def __init__(self, needs: Sequence[Need]) -> None:
        super().__init__("needs", interval=LOOK_SECONDS, at_once=True)
        self._needs = needs
        self._due: dict[Need, float] = {}  # times of the monotonic clock
        self._problems: dict[Need, tuple[str, float]] = {}  # what is wrong, and since when
        self._is_ready: bool | None = None  # once all needs were checked
        self._made_at = time.monotonic()

    @property
    def problems(self) -> Sequence[WorkerProblem]:
        """What is wrong now."""
        now = time.monotonic()
        found = [
            WorkerProblem(what=what, seconds=now - since, stops=need.stops)
            for need, (what, since) in list(self._problems.items())
        ]
        if self._is_ready is None and not any(problem.stops for problem in found):
            found.append(WorkerProblem(what="it is starting", seconds=now - self._made_at))
        return found

    def run_once(self) -> None:
        """Check what is due."""
        for need in self._needs:
            if self.stopping.is_set():
                return
            if time.monotonic() >= self._due.get(need, 0.0):
                self._look_at(need)
        was_ready = self._is_ready
        self._is_ready = not any(need.stops for need in self._problems)
        if self._is_ready and not was_ready:
            log.info("worker ready")

    def stop(self) -> None:
        """Ask the thread to end; a check that waits for an answer is not waited for."""
        self.stopping.set()
        self.wake()

    def _look_at(self, need: Need) -> None:
        try:
            need.check()
        except EnrichmentError as error:
            self._note(need, str(error).rstrip("."))
        except AWAY as error:
            self._note(need, trouble(error))
        else:
            self._note(need, None)
        is_wrong = need in self._problems
        self._due[need] = time.monotonic() + (AGAIN_SECONDS if is_wrong else need.seconds)

    def _note(self, need: Need, what: str | None) -> None:
        known = self._problems.get(need)
        if what is None:
            if known:
                del self._problems[need]
                log.info("a problem of this worker is over", problem=known[0])
        elif known is None or known[0] != what:
            self._problems[need] = (what, known[1] if known else time.monotonic())
            log.error(NOT_READY if need.stops else WORKS_ON, problem=what)


class Presence(PeriodicThread):
    """Tells the store every few seconds that the worker is alive, and what it is missing.

    Args:
        name: of the worker in the store.
        idle_seconds: the time since the worker last began a chunk; None if it never did.
        device, in_float32: as in `LiveWorker`.
    """

    def __init__(
        self,
        engine: Engine,
        needs: Needs,
        *,
        name: str,
        idle_seconds: Callable[[], float | None],
        device: str,
        in_float32: Callable[[], Sequence[str]],
    ) -> None:
        super().__init__("presence", interval=LOOK_SECONDS, at_once=True)
        self._engine = engine
        self._needs = needs
        self._worker = name
        self._idle_seconds = idle_seconds
        self._device = device
        self._in_float32 = in_float32

    def run_once(self) -> None:
        """Tell the store."""
        roster.tell(
            self._engine,
            self._worker,
            problems=self._needs.problems,
            idle_seconds=self._idle_seconds(),
            device=self._device,
            in_float32=self._in_float32(),
        )

    def stop(self) -> None:
        """End the thread, and leave the store."""
        super().stop()
        try:
            roster.leave(self._engine, self._worker)
        except AWAY as error:
            log.warning(f"{trouble(error)}; the store counts this worker for a few seconds more")


def wait_for_store(settings: WorkerSettings) -> Engine:
    """The store, as soon as it can be reached.

    Raises:
        UsageError: DATABASE_URL is missing or malformed.
        StoreError: its schema does not serve this program.
    """
    heartbeat, told = settings.worker_heartbeat_file, ""
    while True:
        try:
            return open_store(connections=settings.store_connections)
        except StoreError as error:
            if not isinstance(error.__cause__, AWAY):
                raise
            problem = str(error).rstrip(".")
        if problem != told:
            log.error(NOT_READY, problem=problem)
        told = problem
        write_beat(heartbeat, Beat(model_loaded=False, problems=(problem,)))
        time.sleep(LOOK_SECONDS)
