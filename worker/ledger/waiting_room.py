"""The waiting room: chunks whose records were put off are worked on in threads of their own.

Their hosts are slow, or could not be had before, so such a chunk mostly waits. Here it takes no
place from the chunks that keep the machine busy, and holds up no other job. No hint is sent for it:
nothing is lost if it begins some seconds later, so every worker asks Postgres now and then.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import structlog
from sqlalchemy.exc import OperationalError

from worker.ledger.chunks import Lease

log = structlog.get_logger()


class WaitingRoom(threading.Thread):
    """Takes put-off chunks that are due, as many at a time as it has places, until stopped."""

    def __init__(
        self,
        claim: Callable[[], Lease | None],
        work_on: Callable[[Lease], None],
        *,
        places: int,
        interval: float,
    ) -> None:
        super().__init__(name="waiting-room", daemon=True)
        self._claim = claim
        self._work_on = work_on
        self._places = places
        self._free = threading.Semaphore(places)
        self._interval = interval
        self._stopping = threading.Event()

    def run(self) -> None:
        with ThreadPoolExecutor(self._places, thread_name_prefix="put-off") as pool:
            while not self._stopping.wait(self._interval):
                try:
                    self._fill(pool)
                except OperationalError:
                    log.warning("the database is away; put-off chunks wait until it is back")
                except Exception:  # noqa: BLE001 - a worker without the room would look well
                    log.exception("put-off chunks could not be taken; it is tried again")

    def stop(self) -> None:
        """Take no more, and wait until those in work are finished or given back."""
        self._stopping.set()
        self.join()

    def _fill(self, pool: ThreadPoolExecutor) -> None:
        while self._free.acquire(blocking=False):
            lease = None
            try:
                lease = self._claim()
            finally:
                if lease is None:
                    self._free.release()
            if lease is None:
                return
            pool.submit(self._work_on, lease).add_done_callback(self._leave)

    def _leave(self, _: "Future[None]") -> None:
        self._free.release()
