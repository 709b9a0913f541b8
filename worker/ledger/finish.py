"""The end of a chunk: what each record came to, and the one transaction that writes it.

A failure that may pass moves the record to a later chunk. A failure of the record itself uses up
one of its tries. A record whose host was not asked, because the host had failed other records, has
not failed itself: it waits, each time as long as it has waited so far, and is given up after
MAX_WAIT in all. A record whose host was too slow for its chunk moves at once to a chunk of slow
records; after that it waits in the same way.

Enrichments are compared with what the model said of the same records before, and only the
difference is written. Most records are new to the model: COPY writes their rows in half the time of
INSERT ... ON CONFLICT. Existing rows are read and locked in the order of their key, so that
transactions over the same records wait for each other and do not deadlock. Rows that say the same
stay untouched, with their job and their time. The others are then found by their place (ctid),
which the lock keeps: Postgres knows too little of a new model's rows to plan a join with them.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg2.errors import UniqueViolation
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from common.errors import RecordError, TransientRecordError
from common.reasons import Reason
from common.store.bulk import copy_rows, upsert
from common.store.tables import Enrichment, Heatmap, JobFailure, PictureSource
from worker import metrics
from worker.ledger import chunks
from worker.ledger.chunks import Lease

if TYPE_CHECKING:
    import torch

MAX_RETRY_AFTER = 86_400.0  # seconds; a host that asks for more is asked again after a day
MAX_WAIT = 86_400.0  # seconds that a record waits for the failures of other records to end
MAX_DETAIL = 500  # characters
COLLISIONS = 3  # with other jobs' chunks, in a row; after one more the chunk is tried again


@dataclass(frozen=True, kw_only=True)
class RecordPrediction:
    """A concept seen in a picture of a record, above the model's threshold for the concept.

    `heatmap` is the SHA-256 of a file that shows where (`worker/enrich/heatmap_files`).
    """

    record_id: str
    concept_uri: str
    confidence: float
    source: PictureSource
    image_url: str
    heatmap: str | None = None


@dataclass
class ChunkOutcome:
    """What each record of a chunk came to, under the ID that it was enqueued with.

    `classified` maps that ID to the record's present ID, which `predictions` have. `pictures` maps
    image URLs to the classified pixels, for predictions that are to be explained.
    """

    classified: dict[str, str] = field(default_factory=dict)
    predictions: list[RecordPrediction] = field(default_factory=list)
    errors: dict[str, RecordError] = field(default_factory=dict)
    pictures: "dict[str, torch.Tensor]" = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Delay:
    """How long a record is put off, and whether that was one of its tries."""

    seconds: float
    counted: bool


def next_try(error: RecordError, lease: Lease, retry_delays: Sequence[float]) -> Delay | None:
    """When to try a record with this error again; None if the error is final."""
    if not isinstance(error, TransientRecordError):
        return None
    asked = _rounded_up(min(error.retry_after or 0.0, MAX_RETRY_AFTER))
    reason = Reason.of(error)
    if reason.retry and not reason.retry.counts:
        is_slow = reason is Reason.HOST_SLOW
        shortest = 0.0 if is_slow or not retry_delays else retry_delays[0]
        seconds = max(asked, shortest, lease.waited_seconds)
        return Delay(seconds, counted=False) if lease.waited_seconds < MAX_WAIT else None
    if lease.retries >= len(retry_delays):
        return None
    return Delay(max(retry_delays[lease.retries], asked), counted=True)


def _rounded_up(seconds: float) -> float:
    """To two digits, so that records of one host share a later chunk."""
    step = 10 ** max(0, len(str(int(seconds))) - 2)
    return float(math.ceil(seconds / step) * step)


def by_delay(
    errors: Mapping[str, RecordError], lease: Lease, retry_delays: Sequence[float]
) -> dict[Delay, list[str]]:
    """The records that are tried again, by their delay; all other errors are final."""
    later: dict[Delay, list[str]] = defaultdict(list)
    for record_id, error in errors.items():
        if delay := next_try(error, lease, retry_delays):
            later[delay].append(record_id)
    return dict(later)


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    """A chunk's records, sorted and counted: `later` are tried again, `final` have failed."""

    later: Mapping[Delay, list[str]]
    final: Mapping[str, RecordError]
    settled: list[str]
    enriched: int
    below_threshold: int


def finish(
    engine: Engine, lease: Lease, outcome: ChunkOutcome, *, retry_delays: Sequence[float]
) -> bool:
    """Write all outcomes of a chunk, or none, in one transaction.

    Returns:
        Whether this finished the job.

    Raises:
        LeaseLostError: another worker has the chunk; nothing is written.
    """
    verdict = _judge(lease, outcome, retry_delays)
    job_finished = _write_despite_collisions(engine, lease, outcome, verdict)
    metrics.count_records(
        enriched=verdict.enriched,
        below_threshold=verdict.below_threshold,
        put_off=len(outcome.errors) - len(verdict.final),
        errors=outcome.errors,
    )
    return job_finished


def _judge(lease: Lease, outcome: ChunkOutcome, retry_delays: Sequence[float]) -> _Verdict:
    later = by_delay(outcome.errors, lease, retry_delays)
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


def _write_despite_collisions(
    engine: Engine, lease: Lease, outcome: ChunkOutcome, verdict: _Verdict
) -> bool:
    """Write again if another job's chunk wrote the same new enrichments meanwhile."""
    for _ in range(COLLISIONS):
        try:
            return _write(engine, lease, outcome, verdict)
        except IntegrityError as error:
            if not is_collision(error):
                raise
    return _write(engine, lease, outcome, verdict)


def _write(engine: Engine, lease: Lease, outcome: ChunkOutcome, verdict: _Verdict) -> bool:
    with engine.begin() as connection:
        chunks.lock(connection, lease)
        replace_enrichments(
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


_COLUMNS = ("record_id", "concept_uri", "confidence", "source", "image_url", "model_id", "job_id")
_KEY = attrgetter(*_COLUMNS[:2])
_FINDING = attrgetter(*_COLUMNS[2:5])
_PREDICTED = attrgetter(*_COLUMNS[:5])

_THERE = text("""
    SELECT record_id, concept_uri, confidence, source, image_url, ctid FROM enrichment
    WHERE model_id = :model_id AND record_id = ANY(CAST(:record_ids AS text[]))
    ORDER BY record_id, concept_uri FOR UPDATE
""")
_FORGET = text("DELETE FROM enrichment WHERE ctid = ANY(CAST(:places AS tid[]))")
_CHANGE = text("""
    UPDATE enrichment
    SET confidence = said.confidence, source = said.source, image_url = said.image_url,
        job_id = :job_id, updated_at = now()
    FROM unnest(CAST(:places AS tid[]), CAST(:confidences AS float8[]), CAST(:sources AS text[]),
                CAST(:image_urls AS text[])) AS said(place, confidence, source, image_url)
    WHERE enrichment.ctid = said.place
""")


def replace_enrichments(
    connection: Connection,
    *,
    model_id: int,
    job_id: UUID,
    record_ids: Sequence[str],
    predictions: Iterable[RecordPrediction],
) -> None:
    """Make these predictions the model's only enrichments of these records.

    Raises:
        IntegrityError: a record or concept is not in the store, or another transaction wrote one
            of the rows meanwhile (`is_collision`). The transaction must then be repeated.
    """
    said = {_KEY(each): each for each in predictions}
    asked = {"model_id": model_id, "record_ids": list(record_ids)}
    there = {row[:2]: row[2:] for row in connection.execute(_THERE, asked)}
    gone: list[str] = []
    changed: dict[str, RecordPrediction] = {}
    for key, (*finding, place) in there.items():
        if key not in said:
            gone.append(place)
        elif finding != [*_FINDING(said[key])]:
            changed[place] = said[key]
    if gone:
        connection.execute(_FORGET, {"places": gone})
    if changed:
        connection.execute(_CHANGE, {"job_id": job_id, **_arrays(changed)})
    if new := sorted(said.keys() - there.keys()):
        found_by = (model_id, str(job_id))
        rows = (_PREDICTED(said[key]) + found_by for key in new)
        copy_rows(connection, Enrichment.__tablename__, _COLUMNS, rows)


def _arrays(changed: Mapping[str, RecordPrediction]) -> dict[str, list[Any]]:
    confidences, sources, image_urls = zip(*map(_FINDING, changed.values()), strict=True)
    return {
        "places": list(changed),
        "confidences": list(confidences),
        "sources": list(sources),
        "image_urls": list(image_urls),
    }


def is_collision(error: IntegrityError) -> bool:
    """Whether another transaction wrote the same enrichment first."""
    return isinstance(error.orig, UniqueViolation) and (
        error.orig.diag.constraint_name == Enrichment.__table__.primary_key.name
    )


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
