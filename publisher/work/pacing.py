"""One request after the other at the shared rate, each for a publication that is claimed for it.

The calling thread takes a slot and a claim in one transaction, and a thread of a pool carries the
claim out. If the database or Europeana is away, the work waits and goes on by itself. Ctrl-C ends
it after the requests that are under way.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, Engine

from common.errors import EnrichmentError, KeyRefusedError
from common.process.database_trouble import AWAY, trouble
from common.process.terminal.progress import ProgressReport
from publisher.europeana.outcomes import NotWrittenError, UnknownOutcomeError
from publisher.ledger.publications import Claim, Ending, Left, SendOutcome, end
from publisher.ledger.slots import (
    Slot,
    add_slots,
    free_slot,
    leave_slot,
    seconds_to_free_slot,
    take_slot,
)

MOST_THREADS = 32
LOOK_AGAIN = 0.1  # seconds after which another publisher may have freed a slot
LONGEST_PAUSE = 60.0  # seconds, while Europeana takes no requests
DATABASE_PAUSE = 1.0  # seconds, while the database is away

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast to go: requests a second, and the seconds of a lease."""

    rate: int
    patience: float


class Pause:
    """How long to make no requests, because Europeana does not answer or asks for a pause."""

    def __init__(self) -> None:
        self._troubles = 0
        self._until = 0.0

    @property
    def seconds(self) -> float:
        return max(0.0, self._until - time.monotonic())

    def begin(self, error: EnrichmentError, asked_for: float | None = None) -> None:
        if self.seconds:
            return  # another request of the same moment
        self._troubles += 1
        seconds = min(LONGEST_PAUSE, asked_for or 0.5 * 2.0 ** min(self._troubles, 10))
        self._until = time.monotonic() + seconds
        log.warning(
            "Europeana does not accept annotations at the moment. The publisher sends them later.",
            problem=str(error),
            in_seconds=round(seconds, 1),
        )

    def end(self) -> None:
        self._troubles = 0


class PacedWork:
    """Carries out claims until none is left.

    Args:
        claim: takes the next publication; None if none is due.
        left: how many publications are left.
        carry_out: makes the requests of a claim; None if the lease was lost. Its errors end the
            work, but for those of the Annotation API that may pass.
        undone: how a claim ends whose request was certainly not carried out.
        unknown: how a claim ends whose answer was lost.
    """

    def __init__(
        self,
        engine: Engine,
        pace: Pace,
        report: ProgressReport,
        *,
        claim: Callable[[Connection], Claim | None],
        left: Callable[[Connection], Left],
        carry_out: Callable[[Claim], Ending | None],
        undone: SendOutcome,
        unknown: SendOutcome,
    ) -> None:
        self._engine = engine
        self._pace = pace
        self._report = report
        self._claim, self._left, self._carry_out = claim, left, carry_out
        self._undone, self._unknown = undone, unknown
        self._threads = min(MOST_THREADS, pace.rate + 2)
        self._room = threading.Semaphore(self._threads)
        self._changed = threading.Event()
        self._pause = Pause()
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self.ended = Counter[SendOutcome]()

    def run(self) -> None:
        """Work until nothing is left.

        Raises:
            KeyRefusedError: Europeana refuses the token or the key.
            ApiError: it answers in an unknown form.
        """
        add_slots(self._engine, self._pace.rate)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="publisher") as pool:
            while self._failure is None and (seconds := self._step(pool)) is not None:
                self._changed.wait(seconds)
                self._changed.clear()
        if self._failure is not None:
            raise self._failure

    def _step(self, pool: ThreadPoolExecutor) -> float | None:
        """Begin one request; returns the seconds until the next try, None at the end."""
        if seconds := self._pause.seconds:
            return seconds
        if not self._room.acquire(timeout=LOOK_AGAIN):
            return 0.0
        try:
            taken = self._take()
        except AWAY as error:
            log.warning(f"{trouble(error)}; the program tries again")
            taken = DATABASE_PAUSE
        if isinstance(taken, tuple):
            pool.submit(self._work, *taken).add_done_callback(self._finish)
            return 0.0
        self._room.release()
        return taken

    def _take(self) -> tuple[Slot, Claim, float] | float | None:
        """A slot with a claim and the time of it, or the seconds until there may be both."""
        with self._engine.begin() as connection:
            seconds = self._pace.patience
            began = time.monotonic()
            slot = take_slot(connection, rate=self._pace.rate, seconds=seconds)
            if slot is None:
                return min(LOOK_AGAIN, seconds_to_free_slot(connection, self._pace.rate))
            claim = self._claim(connection)
            if claim is not None:
                return slot, claim, began
            leave_slot(connection, slot)
            left = self._left(connection)
            return max(LOOK_AGAIN, min(left.seconds, 5.0)) if left.number else None

    def _work(self, slot: Slot, claim: Claim, began: float) -> None:
        self._note(slot, claim, self._ending(claim, began))

    def _finish(self, future: Future[None]) -> None:
        if error := future.exception():
            self._failure = error
        self._room.release()
        self._changed.set()

    def _ending(self, claim: Claim, began: float) -> Ending | None:
        if time.monotonic() - began > self._pace.patience / 4:
            return None  # the process was stopped: another one may have the publication
        # What was sent before may stand at Europeana, whatever became of this request.
        undone = self._undone if claim.lost_at is None else self._unknown
        try:
            ending = self._carry_out(claim)
        except NotWrittenError as error:
            self._pause.begin(error, error.seconds)
            return Ending(outcome=undone, wait=self._pause.seconds)
        except KeyRefusedError as error:
            self._failure = error
            return Ending(outcome=undone)
        except UnknownOutcomeError as error:
            self._pause.begin(error)
            return Ending(outcome=self._unknown, wait=self._pace.patience)
        except EnrichmentError as error:
            self._failure = error
            return Ending(outcome=self._unknown, wait=self._pace.patience)
        self._pause.end()
        return ending

    def _note(self, slot: Slot, claim: Claim, ending: Ending | None) -> None:
        """Write the end of a claim, however long the database is away."""
        while True:
            try:
                with self._engine.begin() as connection:
                    free_slot(connection, slot)
                    was_ours = ending is not None and end(connection, claim, ending)
                break
            except AWAY:
                time.sleep(DATABASE_PAUSE)
        if ending is not None and was_ours:
            with self._lock:
                self.ended[ending.outcome] += 1
                if ending.outcome not in (self._undone, self._unknown):
                    self._report.advance()
