"""What a chunk's records came to, and the one transaction that writes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text

from common.errors import RecordError
from common.store.bulk import upsert
from common.store.tables import Enrichment, Heatmap, JobFailure
from worker import chunks, metrics, retries
from worker.chunks import Lease

if TYPE_CHECKING:
    import torch

MAX_DETAIL = 500  # characters


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A concept seen in a picture of a record, above the model's threshold for it.

    `heatmap` is the SHA-256 of a file that shows where (`worker/heatmaps`).
    """

    record_id: str
    concept_uri: str
    confidence: float
    source: str
    image_url: str
    heatmap: str | None = None


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


_FORGET = text("""
    DELETE FROM enrichment
    WHERE model_id = :model_id AND record_id = ANY(CAST(:record_ids AS text[]))
      AND (record_id, concept_uri) NOT IN (
          SELECT * FROM unnest(CAST(:kept_ids AS text[]), CAST(:kept_concepts AS text[])))
""")
_ENRICHMENT_COLUMNS = (
    "record_id",
    "concept_uri",
    "model_id",
    "confidence",
    "source",
    "image_url",
    "job_id",
)


def finish(
    engine: Engine, lease: Lease, outcome: ChunkOutcome, *, retry_delays: Sequence[float]
) -> bool:
    """Write everything that a chunk came to, or nothing, in one transaction.

    Returns:
        Whether this finished the job.

    Raises:
        LeaseLostError: the chunk was given to another; nothing is written.
    """
    later = retries.put_off(outcome.errors, lease, retry_delays)
    put_off = {record_id for record_ids in later.values() for record_id in record_ids}
    final = {key: error for key, error in outcome.errors.items() if key not in put_off}
    enriched = {each.record_id for each in outcome.predictions}
    enriched_count = sum(current in enriched for current in outcome.classified.values())
    with engine.begin() as connection:
        chunks.lock(connection, lease)
        _write_enrichments(connection, lease, outcome)
        _write_heatmaps(connection, lease, outcome)
        _write_failures(connection, lease, final)
        for delay, record_ids in later.items():
            chunks.put_off(
                connection, lease, record_ids, delay_seconds=delay.seconds, counted=delay.counted
            )
        chunks.settle(
            connection,
            lease,
            record_ids=[key for key in lease.record_ids if key not in put_off],
            enriched=enriched_count,
            below_threshold=len(outcome.classified) - enriched_count,
            failed=len(final),
        )
        job_finished = chunks.complete_job(connection, lease.job_id)
    metrics.count_records(
        enriched=enriched_count,
        below_threshold=len(outcome.classified) - enriched_count,
        put_off=len(put_off),
        errors=outcome.errors,
    )
    return job_finished


def _write_enrichments(connection: Connection, lease: Lease, outcome: ChunkOutcome) -> None:
    """What the model says of these records now replaces what it said before."""
    kept = outcome.predictions
    what = {
        "model_id": lease.model_id,
        "record_ids": list(outcome.classified.values()),
        "kept_ids": [each.record_id for each in kept],
        "kept_concepts": [each.concept_uri for each in kept],
    }
    connection.execute(_FORGET, what)
    rows = (
        (
            each.record_id,
            each.concept_uri,
            lease.model_id,
            each.confidence,
            each.source,
            each.image_url,
            str(lease.job_id),
        )
        for each in kept
    )
    changing = ("confidence", "source", "image_url", "job_id")
    upsert(connection, Enrichment.__table__, _ENRICHMENT_COLUMNS, rows, update=changing)


def _write_heatmaps(connection: Connection, lease: Lease, outcome: ChunkOutcome) -> None:
    rows = [
        (each.record_id, each.concept_uri, lease.model_id, each.image_url, each.heatmap)
        for each in outcome.predictions
        if each.heatmap
    ]
    if rows:
        columns = ("record_id", "concept_uri", "model_id", "image_url", "sha256")
        upsert(connection, Heatmap.__table__, columns, rows, update=columns[3:])


def _write_failures(connection: Connection, lease: Lease, errors: dict[str, RecordError]) -> None:
    rows = (
        (str(lease.job_id), record_id, error.stage, error.reason, error.detail[:MAX_DETAIL])
        for record_id, error in errors.items()
    )
    columns = ("job_id", "record_id", "stage", "reason", "detail")
    upsert(connection, JobFailure.__table__, columns, rows, update=columns[2:])
