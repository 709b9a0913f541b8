"""Chunks that a worker does not finish: it gives them back when it ends or something fails."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import structlog
from sqlalchemy import Engine

from common.errors import DeviceError, EnrichmentError
from common.process.database_trouble import is_there, trouble
from common.process.periodic import AWAY
from worker import metrics
from worker.ledger import chunks
from worker.ledger.chunks import Lease, LeaseLostError
from worker.process.lease_keeper import EXIT_BROKEN, LeaseKeeper, leave_process

GIVE_BACK_SECONDS = 5.0  # before the end of the grace time: unfinished chunks are given back
DEVICE_FAILURES = 3  # of the same chunk, from which they count against it
STUMBLE_DELAY = 5.0  # seconds before a chunk that met an unexpected error is tried again

log = structlog.get_logger()


class DrainingError(Exception):
    """The worker stops, or its lease is lost: the chunk in work is dropped."""


def named(lease: Lease) -> AbstractContextManager[None]:
    """Have the log name the chunk, in this thread and in the pools that work for it."""
    return structlog.contextvars.bound_contextvars(job=str(lease.job_id), chunk=lease.number)


class Drain:
    """The time from SIGTERM to the end of the grace time.

    Once `begun` is set, no chunk is begun. Once `dropping` is set, chunks in work are dropped at
    their next record. `on_overdue` is called if the process is still there after the grace time,
    because a chunk waits for something.
    """

    def __init__(self, grace_seconds: float, *, on_overdue: Callable[[], None]) -> None:
        self.begun = threading.Event()
        self.dropping = threading.Event()
        margin = min(GIVE_BACK_SECONDS, grace_seconds / 2)
        self._timers = [
            threading.Timer(grace_seconds - margin, self.dropping.set),
            threading.Timer(grace_seconds, on_overdue),
        ]

    def begin(self) -> None:
        if self.begun.is_set():
            return
        self.begun.set()
        for timer in self._timers:
            timer.daemon = True
            timer.start()

    def end(self) -> None:
        for timer in self._timers:
            timer.cancel()


class ChunkReturns:
    """Gives back what this process has leased, all at once when it ends.

    Args:
        grace_seconds: from the beginning of the drain to the end of the process.
        leave: ends the process, with an exit code.
    """

    def __init__(
        self,
        engine: Engine,
        leases: LeaseKeeper,
        *,
        grace_seconds: float,
        leave: Callable[[int], None] = leave_process,
    ) -> None:
        self._engine = engine
        self._leases = leases
        self._leave = leave
        self.draining = Drain(grace_seconds, on_overdue=self.leave)

    def drain(self) -> None:
        """Take no more chunks; give back those that are not finished within the grace time."""
        if not self.draining.begun.is_set():
            log.info("the worker is stopping: it finishes its chunks or gives them back")
        self.draining.begin()

    def leave(self) -> None:
        """Give back what is in work, and end the process at once."""
        log.warning("the worker ends now; unfinished chunks are given back")
        self._give_back_all()
        self._leave(0)

    def _give_back_all(self) -> None:
        for held in self._leases.held:
            self.give_back(held.lease, blameless=True)
            with named(held.lease):
                log.info("chunk given back")

    def give_back(self, lease: Lease, *, blameless: bool, delay_seconds: float = 0.0) -> None:
        """Return a chunk to the ledger; if the store is away, its lease runs out."""
        try:
            chunks.give_back(self._engine, lease, blameless=blameless, delay_seconds=delay_seconds)
        except AWAY as error:
            with named(lease):  # the thread may be that of another chunk, or of none
                log.warning(f"{trouble(error)}; the chunk comes back when its lease has run out")

    @contextmanager
    def on_failure(self, lease: Lease) -> Iterator[None]:
        """Give the chunk back if the block fails, and say why.

        The block raises DrainingError to give it back at once.
        """
        try:
            yield
        except LeaseLostError:
            metrics.CHUNKS.labels("lease_lost").inc()
            log.warning("lease lost; another worker has the chunk")
        except DrainingError:
            self.give_back(lease, blameless=True)
            metrics.CHUNKS.labels("given_back").inc()
            log.info("chunk given back")
        except AWAY as error:
            metrics.CHUNKS.labels("database_locked" if is_there(error) else "database_away").inc()
            log.warning(f"{trouble(error)}; the worker tries the chunk again")
            self.give_back(lease, blameless=True, delay_seconds=STUMBLE_DELAY)
        except DeviceError as error:
            log.error(
                "the device failed; the worker gives its chunks back and ends", error=str(error)
            )
            self.drain()
            blameless = lease.times_given_back < DEVICE_FAILURES - 1
            self.give_back(lease, blameless=blameless)  # it is no longer among the held
            self._give_back_all()
            self._leave(EXIT_BROKEN)
        except EnrichmentError as error:
            self.give_back(lease, blameless=True, delay_seconds=STUMBLE_DELAY)
            metrics.CHUNKS.labels("given_back").inc()
            log.error("chunk given back", error=str(error))
        except Exception:  # the chunk may be the cause, and its attempts are counted
            self.give_back(lease, blameless=False, delay_seconds=STUMBLE_DELAY)
            metrics.CHUNKS.labels("failed").inc()
            log.exception("chunk failed; workers try it three times at most")
