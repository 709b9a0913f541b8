"""What a worker needs to work: the API key, the models and the database; the broker for lists.

A worker without them does not end: they may come later. Without the broker it works on, since the
chunks are in the store; it only takes no lists. It names what is missing in its
log and in its state (`health`), and looks again.
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
from worker.ledger.roster import WorkerProblem, WorkerState
from worker.process.health import write_beat

LOOK_SECONDS = 5.0  # between two looks
AGAIN_SECONDS = 15.0  # until something that is missing is asked for again
NOT_READY = "this worker is not ready"
WORKS_ON = "this worker has a problem, but continues to work"

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
    def problems(self) -> tuple[WorkerProblem, ...]:
        now = time.monotonic()
        found = [
            WorkerProblem(what=what, seconds=now - since, stops=need.stops)
            for need, (what, since) in list(self._problems.items())
        ]
        if self._is_ready is None and not any(problem.stops for problem in found):
            found.append(WorkerProblem(what="it is starting", seconds=now - self._made_at))
        return tuple(found)

    def run_once(self) -> None:
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
                log.info("a problem of this worker has ended", problem=known[0])
        elif known is None or known[0] != what:
            self._problems[need] = (what, known[1] if known else time.monotonic())
            log.error(NOT_READY if need.stops else WORKS_ON, problem=what)


def wait_for_store(settings: WorkerSettings, *, name: str) -> Engine:
    """The store, as soon as it can be reached; until then the heartbeat says that it is away.

    Raises:
        UsageError: DATABASE_URL is missing or malformed.
        StoreError: its schema does not serve this program.
    """
    heartbeat, told, began = settings.worker_heartbeat_file, "", time.monotonic()
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
        missing = WorkerProblem(what=problem, seconds=time.monotonic() - began)
        write_beat(heartbeat, WorkerState(name=name, problems=(missing,)))
        time.sleep(LOOK_SECONDS)
