"""What a chunk's records came to, and the one transaction that writes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from common.errors import RecordError
from common.store.bulk import upsert
from common.store.tables import Heatmap, JobFailure
from worker.ledger import chunks, enrichments, retries
from worker.ledger.chunks import Lease
from worker.ledger.enrichments import Prediction
from worker.ledger.retries import Delay
from worker.process import metrics

if TYPE_CHECKING:
    import torch

MAX_DETAIL = 500  # characters
COLLISIONS = 3  # with other jobs' chunks, in a row, after which the chunk is to be tried again


@dataclass
class ChunkOutcome:
    """What each record of a chunk came to, under the ID that it was enqueued with.

    `classified` maps that ID to the record's present one; `predictions` speak of the latter.
    `pictures` has, where the predictions are to be explained, what was classified by its address.
    """

    classified: dict[str, str] = field(default_factory=dict)
    predictions: list[Prediction] = field(default_factory=list)
    errors: dict[str, RecordError] = field(default_factory=dict)
    pictures: "dict[str, torch.Tensor]" = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    """What a chunk's records came to, counted: `later` are tried again, `final` have failed."""

    later: Mapping[Delay, list[str]]
    final: Mapping[str, RecordError]
    settled: list[str]
    enriched: int
    below_threshold: int


def finish(
    engine: Engine, lease: Lease, outcome: ChunkOutcome, *, retry_delays: Sequence[float]
) -> bool:
    """Write everything that a chunk came to, or nothing, in one transaction.

    Returns:
        Whether this finished the job.

    Raises:
        LeaseLostError: the chunk was given to another; nothing is written.
    """
    verdict = _judge(lease, outcome, retry_delays)
    job_finished = _write_in_the_end(engine, lease, outcome, verdict)
    metrics.count_records(
        enriched=verdict.enriched,
        below_threshold=verdict.below_threshold,
        put_off=len(outcome.errors) - len(verdict.final),
        errors=outcome.errors,
    )
    return job_finished


def _judge(lease: Lease, outcome: ChunkOutcome, retry_delays: Sequence[float]) -> _Verdict:
    later = retries.put_off(outcome.errors, lease, retry_delays)
    put_off = {record_id for record_ids in later.values() for record_id in record_ids}
    predicted = {each.record_id for each in outcome.predictions}
    enriched = sum(current in predicted for current in outcome.classified.values())
    return _Verdict(
        later=later,
        final={key: error for key, error in outcome.errors.items() if key not in put_off},
        settled=[key for key in lease.record_ids if key not in put_off],
        enriched=enriched,
        below_threshold=len(outcome.classified) - enriched,
    )


def _write_in_the_end(
    engine: Engine, lease: Lease, outcome: ChunkOutcome, verdict: _Verdict
) -> bool:
    """Write, and again where another job's chunk wrote the same new enrichments meanwhile."""
    for _ in range(COLLISIONS):
        try:
            return _write(engine, lease, outcome, verdict)
        except IntegrityError as error:
            if not enrichments.is_collision(error):
                raise
    return _write(engine, lease, outcome, verdict)


def _write(engine: Engine, lease: Lease, outcome: ChunkOutcome, verdict: _Verdict) -> bool:
    with engine.begin() as connection:
        chunks.lock(connection, lease)
        enrichments.replace(
            connection,
            model_id=lease.model_id,
            job_id=lease.job_id,
            record_ids=list(outcome.classified.values()),
            predictions=outcome.predictions,
        )
        _write_heatmaps(connection, lease, outcome)
        _write_failures(connection, lease, verdict.final)
        for delay, record_ids in verdict.later.items():
            chunks.put_off(
                connection, lease, record_ids, delay_seconds=delay.seconds, counted=delay.counted
            )
        chunks.settle(
            connection,
            lease,
            record_ids=verdict.settled,
            enriched=verdict.enriched,
            below_threshold=verdict.below_threshold,
            failed=len(verdict.final),
        )
        return chunks.complete_job(connection, lease.job_id)


def _write_heatmaps(connection: Connection, lease: Lease, outcome: ChunkOutcome) -> None:
    rows = [
        (each.record_id, each.concept_uri, lease.model_id, each.image_url, each.heatmap)
        for each in outcome.predictions
        if each.heatmap
    ]
    if rows:
        columns = ("record_id", "concept_uri", "model_id", "image_url", "sha256")
        upsert(connection, Heatmap.__table__, columns, rows, update=columns[3:])


def _write_failures(
    connection: Connection, lease: Lease, errors: Mapping[str, RecordError]
) -> None:
    if not errors:
        return
    rows = (
        (str(lease.job_id), record_id, error.stage, error.reason, error.detail[:MAX_DETAIL])
        for record_id, error in errors.items()
    )
    columns = ("job_id", "record_id", "stage", "reason", "detail")
    upsert(connection, JobFailure.__table__, columns, rows, update=columns[2:])
