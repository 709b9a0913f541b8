"""The leases that this process holds: kept alive while its chunks make progress."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from worker.ledger import chunks
from worker.ledger.chunks import Lease

RENEWALS = 6  # at least, in the time that a lease lasts
NOTICED_WITHIN = 3.0  # seconds, at most, until a chunk of a cancelled job is dropped
HUNG_AFTER = 300.0  # seconds without one record finished; a download takes 60 at most
EXIT_BROKEN = 70  # EX_SOFTWARE: whoever supervises the process starts it again

log = structlog.get_logger()


class HeldLease:
    """A lease in work; `lost` once another may have the chunk."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.lost = False
        self._progress_at: float | None = None  # a model may take minutes to load

    def progress(self) -> None:
        """Say that work on the records begins, or that one is finished: the chunk does not hang."""
        self._progress_at = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """Time since the last finished record."""
        return time.monotonic() - self._progress_at if self._progress_at else 0.0


def leave_process(exit_code: int = EXIT_BROKEN) -> None:
    """End this process at once: a thread that hangs cannot be stopped any other way."""
    sys.stderr.flush()
    os._exit(exit_code)


class LeaseKeeper(threading.Thread):
    """Renews every held lease on a connection of its own.

    A chunk that makes no progress keeps its lease no longer, and `on_hung` is called: its records
    are then tried in smaller chunks, until the one that hangs is alone.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        lease_seconds: float,
        hung_after: float = HUNG_AFTER,
        on_hung: Callable[[], None] = leave_process,
    ) -> None:
        super().__init__(name="leases", daemon=True)
        self._engine = engine
        self._lease_seconds = lease_seconds
        self._hung_after = hung_after
        self._on_hung = on_hung
        self._held: set[HeldLease] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    @contextmanager
    def hold(self, lease: Lease) -> Iterator[HeldLease]:
        """Keep a lease alive until the block ends."""
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
        """The leases held now."""
        with self._lock:
            return list(self._held)

    @property
    def is_well(self) -> bool:
        """Whether leases are being renewed, and no chunk hangs."""
        hangs = any(each.idle_seconds > self._hung_after for each in self.held)
        return self.is_alive() and not hangs

    def run(self) -> None:
        while not self._stopping.wait(min(self._lease_seconds / RENEWALS, NOTICED_WITHIN)):
            for held in self.held:
                self._keep(held)

    def stop(self) -> None:
        """Ask the thread to end, and wait for it."""
        self._stopping.set()
        self.join()

    def _keep(self, held: HeldLease) -> None:
        if held.idle_seconds > self._hung_after:
            log.error("chunk hangs", job=str(held.lease.job_id), chunk=held.lease.number)
            self._on_hung()
            return
        try:
            held.lost = not chunks.renew(
                self._engine, held.lease, lease_seconds=self._lease_seconds
            )
        except OperationalError:
            log.warning("the database is away; leases are renewed when it is back")
