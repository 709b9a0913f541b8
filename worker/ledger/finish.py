"""The end of a chunk: what each record came to, and the one transaction that writes it.

A failure that may pass moves the record to a later chunk. A failure of the record itself uses up
one of its tries. A record whose host was not asked, because the host had failed other records, has
not failed itself: it waits, each time as long as it has waited so far, and is given up after
MAX_WAIT in all. A record whose host was too slow for its chunk moves at once to a chunk of slow
records; after that it waits in the same way.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg2.errors import DeadlockDetected
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, OperationalError

from common.errors import RecordError, StoreError, TransientRecordError
from common.reasons import Reason
from common.store.bulk import upsert
from common.store.embeddings import Seen, Vector, is_kept_meanwhile, keep_vectors, save_seen
from common.store.tables import Heatmap, JobFailure
from common.vision.answers.tally import Tally
from worker import metrics
from worker.ledger import chunks
from worker.ledger.chunks import Lease
from worker.ledger.enrichments import RecordPrediction, is_collision, replace_enrichments
from worker.ledger.tallies import RecordSaid, tallied, unlike_to_all

if TYPE_CHECKING:
    import torch

MAX_RETRY_AFTER = 86_400.0  # seconds; a host that asks for more is asked again after a day
MAX_WAIT = 86_400.0  # seconds that a record waits for the failures of other records to end
MAX_DETAIL = 500  # characters
COLLISIONS = 3  # with other jobs' chunks, in a row; after one more the chunk is tried again


@dataclass(frozen=True, kw_only=True)
class NewlySeen:
    """What an encoder saw in a chunk: which pictures, and their embeddings by their sha256.

    `answer_again` corrects what was said of a chunk where other embeddings of its pictures were
    kept meanwhile: so that a job that reads them says the same.
    """

    encoder_id: int
    pictures: list[Seen]
    vectors: dict[bytes, Vector]
    answer_again: Callable[[Mapping[bytes, Vector]], None]


@dataclass
class ChunkOutcome:
    """What each record of a chunk came to, under the ID that it was enqueued with.

    `classified` maps that ID to the record's present ID, which `predictions` and `said` have; both
    are by the number of the model. `read` of the classified records needed no look. `pictures` maps
    image URLs to the classified pixels, for predictions that are to be explained.
    """

    classified: dict[str, str] = field(default_factory=dict)
    predictions: dict[int, list[RecordPrediction]] = field(default_factory=dict)
    said: dict[int, dict[str, RecordSaid]] = field(default_factory=dict)
    errors: dict[str, RecordError] = field(default_factory=dict)
    pictures: "dict[str, torch.Tensor]" = field(default_factory=dict)
    read: int = 0
    newly_seen: NewlySeen | None = None

    @property
    def enriched_records(self) -> set[str]:
        """The present IDs of records of which any model says something."""
        return {each.record_id for said in self.predictions.values() for each in said}

    @property
    def tallies(self) -> dict[int, dict[str, Tally]]:
        """What each model said, counted by data provider."""
        return tallied(self.said)


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
    unlike: int
    below_threshold: int


def finish(
    engine: Engine, lease: Lease, outcome: ChunkOutcome, *, retry_delays: Sequence[float]
) -> bool:
    """Write all outcomes of a chunk, or none, in one transaction.

    Returns:
        Whether this finished the job.

    Raises:
        LeaseLostError: another worker has the chunk; nothing is written.
        StoreError: other transactions were in the way again and again; nothing is written.
    """
    collisions = 0
    while True:
        verdict = _judge(lease, outcome, retry_delays)
        try:
            job_finished = _write(engine, lease, outcome, verdict)
            break
        except _KeptOtherwiseError as error:
            error.newly_seen.answer_again(error.vectors)
        except (IntegrityError, OperationalError) as error:
            if not _is_conflict(error):
                raise
            collisions += 1
            if collisions > COLLISIONS:
                raise StoreError(
                    f"Other transactions wrote the same rows {collisions} times in a row."
                ) from error
    metrics.count_records(
        enriched=verdict.enriched,
        unlike=verdict.unlike,
        below_threshold=verdict.below_threshold,
        put_off=len(outcome.errors) - len(verdict.final),
        read=outcome.read,
        errors=outcome.errors,
    )
    return job_finished


def _is_conflict(error: IntegrityError | OperationalError) -> bool:
    """Whether another transaction wrote the same rows first, or locks rows in another order."""
    if isinstance(error, IntegrityError):
        return is_collision(error) or is_kept_meanwhile(error)
    return isinstance(error.orig, DeadlockDetected)


def _judge(lease: Lease, outcome: ChunkOutcome, retry_delays: Sequence[float]) -> _Verdict:
    later = by_delay(outcome.errors, lease, retry_delays)
    put_off = {record_id for record_ids in later.values() for record_id in record_ids}
    predicted = outcome.enriched_records
    strange = unlike_to_all(outcome.said) - predicted
    enriched = sum(current in predicted for current in outcome.classified.values())
    unlike = sum(current in strange for current in outcome.classified.values())
    return _Verdict(
        later=later,
        final={key: error for key, error in outcome.errors.items() if key not in put_off},
        settled=[key for key in lease.record_ids if key not in put_off],
        enriched=enriched,
        unlike=unlike,
        below_threshold=len(outcome.classified) - enriched - unlike,
    )


class _KeptOtherwiseError(Exception):
    """Others have kept these embeddings of the chunk's pictures, which differ from its own."""

    def __init__(self, newly_seen: NewlySeen, vectors: Mapping[bytes, Vector]) -> None:
        super().__init__(len(vectors))
        self.newly_seen = newly_seen
        self.vectors = vectors


def _write(engine: Engine, lease: Lease, outcome: ChunkOutcome, verdict: _Verdict) -> bool:
    with engine.begin() as connection:
        chunks.lock(connection, lease)
        if outcome.newly_seen:
            _keep(connection, outcome.newly_seen)
        _write_predictions(connection, lease, outcome)
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
            unlike=verdict.unlike,
            below_threshold=verdict.below_threshold,
            failed=len(verdict.final),
            read=outcome.read,
            said=outcome.tallies,
        )
        return chunks.complete_job(connection, lease.job_id)


def _keep(connection: Connection, newly_seen: NewlySeen) -> None:
    other = keep_vectors(connection, newly_seen.encoder_id, newly_seen.vectors)
    if other:
        raise _KeptOtherwiseError(newly_seen, other)
    save_seen(connection, newly_seen.pictures)


def _write_predictions(connection: Connection, lease: Lease, outcome: ChunkOutcome) -> None:
    """Model by model in the order of their numbers, so that transactions do not deadlock."""
    record_ids = list(outcome.classified.values())
    for model_id in sorted(lease.model_ids):
        said = outcome.predictions.get(model_id, [])
        replace_enrichments(
            connection,
            model_id=model_id,
            job_id=lease.job_id,
            record_ids=record_ids,
            predictions=said,
        )
        _write_heatmaps(connection, model_id, said)


def _write_heatmaps(
    connection: Connection, model_id: int, said: Sequence[RecordPrediction]
) -> None:
    rows = [
        (each.record_id, each.concept_uri, model_id, each.image_url, each.heatmap)
        for each in said
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
