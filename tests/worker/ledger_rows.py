"""What several tests do to the ledger, in few words."""

from collections import Counter
from collections.abc import Container, Mapping
from uuid import UUID

from sqlalchemy import Engine, text

from common.errors import RecordError
from worker.ledger import chunks
from worker.ledger import finish as finishing
from worker.ledger.chunks import Lease
from worker.ledger.finish import ChunkResults
from worker.ledger.predictions import PredictedRecord, RecordPrediction
from worker.ledger.sweep import sweep

DELAYS = (60.0, 600.0)  # seconds before the first and the second new try


_OTHERS = text("""
    SELECT 1 FROM job_chunk WHERE (job_id, number) <> (:job_id, :number) FOR UPDATE
""")


def try_claim(engine: Engine, job_id: UUID, number: int, lease_seconds: float = 60) -> Lease | None:
    """A lease on this very chunk, unless it is not to be had: others are at all other chunks."""
    with engine.begin() as others:
        others.execute(_OTHERS, {"job_id": job_id, "number": number}).all()
        fresh, put_off = (
            chunks.claim(engine, worker="test", lease_seconds=lease_seconds, put_off=put_off)
            for put_off in (False, True)
        )
        return fresh or put_off


def claim(engine: Engine, job_id: UUID, number: int, lease_seconds: float = 60) -> Lease:
    """A lease, which the test expects to get."""
    lease = try_claim(engine, job_id, number, lease_seconds)
    assert lease is not None
    return lease


def expire_leases(engine: Engine) -> Counter[str]:
    """Have all leases run out, and sweep."""
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE job_chunk SET lease_until = now() - interval '1 s' WHERE state = 'leased'")
        )
    return sweep(engine)


def finish(engine: Engine, lease: Lease, failed: Mapping[str, str] | None = None) -> bool:
    """Finish a chunk: these records failed for these reasons, the others show no concept."""
    failed = failed or {}
    results = ChunkResults(
        predicted=all_below(lease, but=failed).predicted,
        errors={each: RecordError("fetch", reason) for each, reason in failed.items()},
    )
    return finish_with(engine, lease, results)


def finish_with(engine: Engine, lease: Lease, results: ChunkResults) -> bool:
    """Finish a chunk with these results; True if that finished its job."""
    finished = finishing.finish(engine, lease, results, retry_delays=DELAYS)
    assert not finished.kept_otherwise
    return finished.job_done


def predicted(
    lease: Lease,
    record_id: str,
    *predictions: RecordPrediction,
    data_provider: str = "",
    is_unlike: bool = False,
) -> PredictedRecord:
    """What the model that answers for the data provider says of a record."""
    return PredictedRecord(
        record_id=record_id,
        model_id=lease.routes.model_of(data_provider),
        data_provider=data_provider,
        confidence=0.5,
        is_unlike=is_unlike,
        predictions=predictions,
    )


def predictions(results: ChunkResults) -> list[RecordPrediction]:
    """What is said of all records of a chunk."""
    return [each for said in results.predicted.values() for each in said.predictions]


def all_below(lease: Lease, *, but: Container[str] = ()) -> ChunkResults:
    """No record of the chunk shows a concept; nothing is said of some."""
    said = {each: predicted(lease, each) for each in lease.record_ids if each not in but}
    return ChunkResults(predicted=said)


def rows(engine: Engine, query: str) -> list[tuple[object, ...]]:
    """What a query finds."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


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
