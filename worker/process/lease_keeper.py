"""The chunk leases that this process holds: renewed while their chunks make progress."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import Engine

from common.process.periodic import PeriodicThread
from worker.ledger import chunks
from worker.ledger.chunks import Lease

RENEWALS = 6  # at least, in the time that a lease lasts
NOTICED_WITHIN = 3.0  # seconds, at most, until a chunk of a cancelled job is dropped
HUNG_AFTER = 300.0  # seconds without a finished record; a download takes 60 at most
EXIT_BROKEN = 70  # EX_SOFTWARE: the supervisor starts the process again

log = structlog.get_logger()


class HeldLease:
    """A lease in work; `lost` once another worker may have the chunk."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.lost = False
        self._progress_at: float | None = None  # a model may take minutes to load

    def progress(self) -> None:
        self._progress_at = time.monotonic()

    def pause(self) -> None:
        """Note that a network is loaded, which may take minutes, until the next progress."""
        self._progress_at = None

    @property
    def idle_seconds(self) -> float:
        """Time since the last progress; 0 before the first."""
        return time.monotonic() - self._progress_at if self._progress_at else 0.0


def leave_process(exit_code: int = EXIT_BROKEN) -> None:
    """End this process at once: there is no other way to stop a thread that hangs."""
    sys.stderr.flush()
    os._exit(exit_code)


class LeaseKeeper(PeriodicThread):
    """Renews every held lease, on a connection of its own.

    A chunk without progress for `hung_after` seconds hangs: its lease is no longer renewed, and
    `on_hung` is called. Its records are then tried in smaller chunks, until the record that hangs
    is alone.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        lease_seconds: float,
        hung_after: float = HUNG_AFTER,
        on_hung: Callable[[], None] = leave_process,
    ) -> None:
        super().__init__("leases", interval=min(lease_seconds / RENEWALS, NOTICED_WITHIN))
        self._engine = engine
        self._lease_seconds = lease_seconds
        self._hung_after = hung_after
        self._on_hung = on_hung
        self._held: set[HeldLease] = set()
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, lease: Lease) -> Iterator[HeldLease]:
        held = HeldLease(lease)
        with self._lock:
            self._held.add(held)
        try:
            yield held
        finally:
            with self._lock:
                self._held.discard(held)

    @property
    def held(self) -> list[HeldLease]:
        with self._lock:
            return list(self._held)

    @property
    def is_well(self) -> bool:
        return self.is_alive() and not any(map(self._hangs, self.held))

    def run_once(self) -> None:
        held_now = self.held
        for held in filter(self._hangs, held_now):
            log.error(
                "a chunk hangs: the worker ends",
                job=str(held.lease.job_id),
                chunk=held.lease.number,
            )
            self._on_hung()
        for held in held_now:
            if not self._hangs(held):
                held.lost = not chunks.renew(
                    self._engine, held.lease, lease_seconds=self._lease_seconds
                )

    def _hangs(self, held: HeldLease) -> bool:
        return held.idle_seconds > self._hung_after
