"""The end of a chunk: what each record came to, and the one transaction that writes it.

A failure that may pass moves the record to a later chunk. A failure of the record itself uses up
one of its tries. If its host was not asked, because the host failed other records before, that says
nothing about the record: it waits, each time as long as it has waited so far, and is given up after
MAX_WAIT in all. A record whose host was too slow for its chunk moves at once to a chunk of slow
ones; after that it waits in the same way.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from common.errors import RecordError, TransientRecordError
from common.reasons import Reason
from common.store.bulk import upsert
from common.store.tables import Heatmap, JobFailure
from worker import metrics
from worker.ledger import chunks, enrichments
from worker.ledger.chunks import Lease
from worker.ledger.enrichments import RecordPrediction

MAX_RETRY_AFTER = 86_400.0  # seconds; a host that asks for more is asked again after a day
MAX_WAIT = 86_400.0  # seconds that a record waits for others' failures to end
if TYPE_CHECKING:
    import torch
MAX_DETAIL = 500  # characters
COLLISIONS = 3  # with other jobs' chunks, in a row, after which the chunk is to be tried again


@dataclass(frozen=True, order=True)
class Delay:
    """How long a record is put off, and whether that was one of its tries."""

    seconds: float
    counted: bool


def next_try(error: RecordError, lease: Lease, retry_delays: Sequence[float]) -> Delay | None:
    """When the record of this error is worth another try; None where the error is final."""
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
    """To two digits, so that the records of one host share a chunk again."""
    step = 10 ** max(0, len(str(int(seconds))) - 2)
    return float(math.ceil(seconds / step) * step)


def by_delay(
    errors: Mapping[str, RecordError], lease: Lease, retry_delays: Sequence[float]
) -> dict[Delay, list[str]]:
    """The records that are tried again, by when; the errors of all others are final."""
    later: dict[Delay, list[str]] = defaultdict(list)
    for record_id, error in errors.items():
        if delay := next_try(error, lease, retry_delays):
            later[delay].append(record_id)
    return dict(later)


@dataclass
class ChunkOutcome:
    """What each record of a chunk came to, under the ID that it was enqueued with.

    `classified` maps that ID to the record's present one; `predictions` speak of the latter.
    `pictures` has, where the predictions are to be explained, what was classified by its address.
    """

    classified: dict[str, str] = field(default_factory=dict)
    predictions: list[RecordPrediction] = field(default_factory=list)
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
