"""The threads that work on chunks: a free one asks the ledger for the best chunk.

A worker that finds nothing asks again after a pause, which grows to `longest_pause` and is never
quite the same, so that idle workers do not ask in step. A wake-up ends the pause. So does the end
of a chunk: a thread that has worked asks again at once.
"""

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Lock, Semaphore

from common.process.periodic import PeriodicThread
from worker.ledger.chunks import Lease
from worker.ledger.rotation import JobRotation

SHORTEST_PAUSE = 0.05  # seconds between two questions to a ledger that had nothing


class ChunkThreads(PeriodicThread):
    """Asks for chunks while one of `count` threads is free, and has it work on them.

    Args:
        claim: asks the ledger; None if it has nothing for this worker.
        work_on: returns when the chunk is finished or given back, whatever happens.
        count: chunks in work at a time.
        longest_pause: seconds.
    """

    def __init__(
        self,
        name: str,
        claim: Callable[[JobRotation], Lease | None],
        work_on: Callable[[Lease], None],
        *,
        count: int,
        longest_pause: float,
    ) -> None:
        super().__init__(name, interval=longest_pause, at_once=True)
        self._claim = claim
        self._work_on = work_on
        self._rotation = JobRotation()
        self._rotation_lock = Lock()
        self._free = Semaphore(count)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._pause = SHORTEST_PAUSE
        self._found_nothing_at = 0.0

    def run_once(self) -> None:
        self.stopping.wait(self._found_nothing_at + SHORTEST_PAUSE - time.monotonic())
        while not self.stopping.is_set() and self._free.acquire(blocking=False):
            lease = None
            try:
                lease = self._ask()
            finally:
                if lease is None:
                    self._free.release()
            if lease is None:
                self._found_nothing_at = time.monotonic()
                self._pause = min(2 * self._pause, self._interval)
                return
            self._pause = SHORTEST_PAUSE
            self._pool.submit(self._work_on, lease).add_done_callback(partial(self._leave, lease))

    def seconds_until_next(self) -> float:
        return self._pause * random.uniform(0.5, 1)

    def stop(self) -> None:
        super().stop()
        self._pool.shutdown()

    def _ask(self) -> Lease | None:
        with self._rotation_lock:
            lease = self._claim(self._rotation)
            if lease is not None:
                self._rotation.begin(lease)
            return lease

    def _leave(self, lease: Lease, _: "Future[None]") -> None:
        with self._rotation_lock:
            self._rotation.end(lease)
        self._free.release()
        self.wake()
