"""Whose turn it is: which chunk is the best one for a process that has a thread free.

Urgent jobs come before bulk jobs, but bulk jobs keep a share: while urgent records wait, one in
BULK_SHARE records that a process begins is of a bulk job. Within a priority, jobs take turns: the
job with the fewest chunks in work in this process comes first, then the one that waits longest for
its turn. So a small job overtakes a backfill of millions within the time of one chunk, and many
urgent jobs do not stop the backfill.

Each process keeps its own account. If each process is fair by its own, all processes together are,
and no claim has to count what the others do.
"""

from uuid import UUID

from common.store.tables import Priority
from worker.ledger.chunks import Lease
from worker.ledger.cutting import CHUNK_SIZE

BULK_SHARE = 4  # while urgent records wait, one in 4 records that are begun is of a bulk job
REMEMBERED = 200  # jobs; of more than that, those served long ago count as never served


class JobRotation:
    """What the threads of one process have worked on; not safe for use by several threads."""

    def __init__(self) -> None:
        self.in_work: list[UUID] = []
        self._served: dict[UUID, None] = {}
        self._owed_to_bulk = 0.0  # records

    @property
    def served(self) -> list[UUID]:
        return list(self._served)

    @property
    def priority(self) -> Priority:
        """The jobs whose turn it is: those of the other priority come if there are none."""
        return Priority.BULK if self._owed_to_bulk >= CHUNK_SIZE else Priority.URGENT

    def begin(self, lease: Lease) -> None:
        self.in_work.append(lease.job_id)
        self._served.pop(lease.job_id, None)
        self._served[lease.job_id] = None
        if len(self._served) > REMEMBERED:
            del self._served[next(iter(self._served))]
        records = len(lease.record_ids)
        if lease.priority is Priority.URGENT:
            owed = self._owed_to_bulk + records / (BULK_SHARE - 1)
            self._owed_to_bulk = min(owed, CHUNK_SIZE)  # if no bulk job waits, nothing is saved up
        else:
            self._owed_to_bulk = max(0.0, self._owed_to_bulk - records)

    def end(self, lease: Lease) -> None:
        self.in_work.remove(lease.job_id)
