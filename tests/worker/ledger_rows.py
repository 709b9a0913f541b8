"""What several tests do to the ledger, in few words."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import Engine, text

from common.errors import RecordError
from worker.ledger import chunks
from worker.ledger import finish as finishing
from worker.ledger.chunks import Lease
from worker.ledger.finish import ChunkOutcome

DELAYS = (60.0, 600.0)  # seconds before the first and the second new try


def claim(engine: Engine, job_id: UUID, number: int, lease_seconds: float = 60) -> Lease:
    """A lease, which the test expects to get."""
    lease = chunks.claim(
        engine, job_id=job_id, number=number, worker="test", lease_seconds=lease_seconds
    )
    assert lease is not None
    return lease


def finish(engine: Engine, lease: Lease, failed: Mapping[str, str] | None = None) -> bool:
    """Finish a chunk: these records failed for these reasons, the others show no concept."""
    failed = failed or {}
    outcome = ChunkOutcome(
        classified={each: each for each in lease.record_ids if each not in failed},
        errors={each: RecordError("fetch", reason) for each, reason in failed.items()},
    )
    return finishing.finish(engine, lease, outcome, retry_delays=DELAYS)


def ready_chunks(engine: Engine, job_id: UUID) -> list[int]:
    """The numbers of the chunks of a job that may be claimed."""
    with engine.connect() as connection:
        numbers = connection.execute(
            text(
                "SELECT number FROM job_chunk WHERE job_id = :job_id AND state = 'ready'"
                " ORDER BY number"
            ),
            {"job_id": job_id},
        )
        return list(numbers.scalars())
