"""The end of a chunk: what each record came to, and the one transaction that writes it.

A failure that may pass moves the record to a later chunk (`delays`). What decisions block is not
written; what was written before it was blocked stays, and is not exported.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg2.errors import DeadlockDetected
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, OperationalError

from common.errors import RecordError, StoreError
from common.europeana.metadata import storable
from common.store.bulk import upsert
from common.store.embeddings import Seen, Vector, is_kept_meanwhile, keep_vectors, save_seen
from common.store.tables import Heatmap, JobFailure
from common.vision.answers.blocked import Blocks
from common.vision.answers.tally import Tally
from worker import metrics
from worker.ledger import chunks
from worker.ledger.chunks import Lease
from worker.ledger.completion import close_if_over, is_over, lock_job
from worker.ledger.delays import Delay, by_delay
from worker.ledger.enrichments import RecordPrediction, is_collision, replace_enrichments
from worker.ledger.permitted import Permitted, permitted
from worker.ledger.tallies import RecordSaid, tallied, unlike_to_all

if TYPE_CHECKING:
    import torch

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


@dataclass(frozen=True, kw_only=True)
class _Sorted:
    """A chunk's records, sorted and counted: `later` are tried again, `final` have failed."""

    later: Mapping[Delay, list[str]]
    final: Mapping[str, RecordError]
    settled: list[str]
    enriched: int
    unlike: int
    below_threshold: int
    blocked: int


def finish(
    engine: Engine, lease: Lease, outcome: ChunkOutcome, *, retry_delays: Sequence[float]
) -> bool:
    """Write all outcomes of a chunk, or none, in one transaction.

    What standing decisions block is not written.

    Returns:
        Whether this finished the job.

    Raises:
        LeaseLostError: another worker has the chunk; nothing is written.
        StoreError: other transactions were in the way again and again; nothing is written.
    """
    collisions = 0
    while True:
        try:
            written = _write(engine, lease, outcome, retry_delays)
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
    records = written.records
    metrics.count_records(
        enriched=records.enriched,
        unlike=records.unlike,
        below_threshold=records.below_threshold,
        blocked=records.blocked,
        put_off=len(outcome.errors) - len(records.final),
        read=outcome.read,
        errors=outcome.errors,
    )
    return written.job_finished


def _is_conflict(error: IntegrityError | OperationalError) -> bool:
    """Whether another transaction wrote the same rows first, or locks rows in another order."""
    if isinstance(error, IntegrityError):
        return is_collision(error) or is_kept_meanwhile(error)
    return isinstance(error.orig, DeadlockDetected)


def _sort(
    lease: Lease, outcome: ChunkOutcome, allowed: Permitted, retry_delays: Sequence[float]
) -> _Sorted:
    later = by_delay(outcome.errors, lease, retry_delays)
    put_off = {record_id for record_ids in later.values() for record_id in record_ids}
    strange = unlike_to_all(outcome.said) - outcome.enriched_records

    def count(records: set[str]) -> int:
        return sum(current in records for current in outcome.classified.values())

    enriched, blocked = count(allowed.enriched_records), count(allowed.blocked_records)
    unlike = count(strange)
    return _Sorted(
        later=later,
        final={key: error for key, error in outcome.errors.items() if key not in put_off},
        settled=[key for key in lease.record_ids if key not in put_off],
        enriched=enriched,
        unlike=unlike,
        below_threshold=len(outcome.classified) - enriched - unlike - blocked,
        blocked=blocked,
    )


class _KeptOtherwiseError(Exception):
    """Others have kept these embeddings of the chunk's pictures, which differ from its own."""

    def __init__(self, newly_seen: NewlySeen, vectors: Mapping[bytes, Vector]) -> None:
        super().__init__(len(vectors))
        self.newly_seen = newly_seen
        self.vectors = vectors


@dataclass(frozen=True, kw_only=True)
class _Written:
    records: _Sorted
    job_finished: bool


def _write(
    engine: Engine, lease: Lease, outcome: ChunkOutcome, retry_delays: Sequence[float]
) -> _Written:
    with engine.begin() as connection:
        chunks.lock(connection, lease)
        if outcome.newly_seen:
            _keep(connection, outcome.newly_seen)
        blocks = Blocks.read(connection, hold=True)
        allowed = permitted(outcome.predictions, outcome.said, blocks)
        records = _sort(lease, outcome, allowed, retry_delays)
        _write_predictions(connection, lease, outcome, allowed)
        if records.final and records.later:
            lock_job(connection, lease.job_id)  # before the counts, as `triggers` has the order
        _write_failures(connection, lease, records.final)
        for delay, record_ids in records.later.items():
            chunks.put_off(
                connection, lease, record_ids, delay_seconds=delay.seconds, counted=delay.counted
            )
        chunks.settle(
            connection,
            lease,
            record_ids=records.settled,
            enriched=records.enriched,
            unlike=records.unlike,
            below_threshold=records.below_threshold,
            blocked=records.blocked,
            failed=len(records.final),
            read=outcome.read,
            said=outcome.tallies,
        )
        may_be_over = is_over(connection, lease.job_id)
    return _Written(records=records, job_finished=may_be_over and _close_job(engine, lease))


def _close_job(engine: Engine, lease: Lease) -> bool:
    with engine.begin() as connection:
        return close_if_over(connection, lease.job_id)


def _keep(connection: Connection, newly_seen: NewlySeen) -> None:
    other = keep_vectors(connection, newly_seen.encoder_id, newly_seen.vectors)
    if other:
        raise _KeptOtherwiseError(newly_seen, other)
    save_seen(connection, newly_seen.pictures)


def _write_predictions(
    connection: Connection, lease: Lease, outcome: ChunkOutcome, allowed: Permitted
) -> None:
    """Model by model in the order of their numbers, so that transactions do not deadlock.

    With routes, what a model said of records that another one answers for is left alone.
    """
    classified = list(outcome.classified.values())
    for model_id in sorted(lease.model_ids):
        record_ids = list(outcome.said.get(model_id, ())) if lease.routes else classified
        said = allowed.predictions.get(model_id, [])
        replace_enrichments(
            connection,
            model_id=model_id,
            job_id=lease.job_id,
            record_ids=record_ids,
            predictions=said,
            blocked=allowed.blocked.get(model_id, ()),
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
    job_id = str(lease.job_id)
    rows = (
        (job_id, record_id, error.stage, error.reason, storable(error.detail[:MAX_DETAIL]))
        for record_id, error in errors.items()
    )
    columns = ("job_id", "record_id", "stage", "reason", "detail")
    upsert(connection, JobFailure.__table__, columns, rows, update=columns[2:])
