"""The end of a chunk: what each record came to, and the one transaction that writes it.

A failure that may pass moves the record to a later chunk (`delays`). What decisions block is not
written; what was written before it was blocked stays, and is not exported.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
from worker.ledger.enrichments import is_collision, replace_enrichments
from worker.ledger.predictions import (
    Permitted,
    PredictedRecord,
    RecordPrediction,
    permitted,
    tallied,
)

MAX_DETAIL = 500  # characters
COLLISIONS = 3  # with other jobs' chunks, in a row; after one more the chunk is tried again


@dataclass(frozen=True, kw_only=True)
class NewlySeen:
    """What an encoder saw in a chunk: which pictures, and their embeddings by their sha256."""

    encoder_id: int
    pictures: list[Seen]
    vectors: dict[bytes, Vector]


@dataclass(kw_only=True)
class ChunkResults:
    """What each record of a chunk came to, under the ID that it was enqueued with.

    `read` of the records needed no look. `heatmaps` are the SHA-256 of files that show where the
    model looked, by record and concept (`worker/enrich/heatmap_files`).
    """

    predicted: dict[str, PredictedRecord] = field(default_factory=dict)
    errors: dict[str, RecordError] = field(default_factory=dict)
    heatmaps: dict[tuple[str, str], str] = field(default_factory=dict)
    read: int = 0
    newly_seen: NewlySeen | None = None

    @property
    def tallies(self) -> dict[int, dict[str, Tally]]:
        return tallied(self.predicted.values())


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How the end of a chunk went; `job_done`: this finished the job.

    `kept_otherwise`: other embeddings of the chunk's pictures that others saved first, by their
    sha256. Then no row is written: predictions must be made again from these, so that a job that
    reads them predicts the same.
    """

    job_done: bool = False
    kept_otherwise: Mapping[bytes, Vector] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Sorted:
    """A chunk's records: `later` are tried again, `final` have failed; `counts` by outcome."""

    allowed: list[Permitted]
    later: Mapping[Delay, list[str]]
    final: Mapping[str, RecordError]
    settled: list[str]
    counts: Counter[str]


def finish(
    engine: Engine, lease: Lease, results: ChunkResults, *, retry_delays: Sequence[float]
) -> Finished:
    """Write all that a chunk came to, or nothing, in one transaction.

    What standing decisions block is not written.

    Raises:
        LeaseLostError: another worker has the chunk; nothing is written.
        StoreError: other transactions were in the way again and again; nothing is written.
    """
    for _ in range(COLLISIONS + 1):
        try:
            return _write(engine, lease, results, retry_delays)
        except (IntegrityError, OperationalError) as error:
            if not _is_conflict(error):
                raise
            conflict = error
    raise StoreError(
        f"Other transactions wrote the same rows {COLLISIONS + 1} times in a row."
    ) from conflict


def _is_conflict(error: IntegrityError | OperationalError) -> bool:
    """Whether another transaction wrote the same rows first, or locks rows in another order."""
    if isinstance(error, IntegrityError):
        return is_collision(error) or is_kept_meanwhile(error)
    return isinstance(error.orig, DeadlockDetected)


def _write(
    engine: Engine, lease: Lease, results: ChunkResults, retry_delays: Sequence[float]
) -> Finished:
    with engine.connect() as connection, connection.begin() as transaction:
        chunks.lock(connection, lease)
        if results.newly_seen and (kept_otherwise := _keep(connection, results.newly_seen)):
            transaction.rollback()
            return Finished(kept_otherwise=kept_otherwise)
        blocks = Blocks.read(connection, hold=True)
        records = _sort(lease, results, blocks, retry_delays)
        _write_predictions(connection, lease, records.allowed, results.heatmaps)
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
            counts=records.counts,
            said=results.tallies,
        )
        may_be_over = is_over(connection, lease.job_id)
    metrics.count_records(records.counts, errors=results.errors)
    return Finished(job_done=may_be_over and _close_job(engine, lease))


def _sort(
    lease: Lease, results: ChunkResults, blocks: Blocks, retry_delays: Sequence[float]
) -> _Sorted:
    later = by_delay(results.errors, lease, retry_delays)
    put_off = {record_id for record_ids in later.values() for record_id in record_ids}
    final = {key: error for key, error in results.errors.items() if key not in put_off}
    allowed = [permitted(each, blocks) for each in results.predicted.values()]
    counts: Counter[str] = Counter(each.outcome for each in allowed)
    counts.update(failed=len(final), put_off=len(put_off), read=results.read)
    return _Sorted(
        allowed=allowed,
        later=later,
        final=final,
        settled=[key for key in lease.record_ids if key not in put_off],
        counts=counts,
    )


def _close_job(engine: Engine, lease: Lease) -> bool:
    with engine.begin() as connection:
        return close_if_over(connection, lease.job_id)


def _keep(connection: Connection, newly_seen: NewlySeen) -> Mapping[bytes, Vector]:
    """Keep what was seen, unless others have kept something else of it; that is returned."""
    other = keep_vectors(connection, newly_seen.encoder_id, newly_seen.vectors)
    if not other:
        save_seen(connection, newly_seen.pictures)
    return other


def _write_predictions(
    connection: Connection,
    lease: Lease,
    allowed: Sequence[Permitted],
    heatmaps: Mapping[tuple[str, str], str],
) -> None:
    """Model by model in the order of their numbers, so that transactions do not deadlock.

    What a model said before of records that another one answers for now is left alone.
    """
    of_models: defaultdict[int, list[Permitted]] = defaultdict(list)
    for each in allowed:
        of_models[each.record.model_id].append(each)
    for model_id, said in sorted(of_models.items()):
        written = [prediction for each in said for prediction in each.written]
        replace_enrichments(
            connection,
            model_id=model_id,
            job_id=lease.job_id,
            record_ids=[each.record.record_id for each in said],
            predictions=written,
            blocked={prediction.key for each in said for prediction in each.blocked},
        )
        _write_heatmaps(connection, model_id, written, heatmaps)


def _write_heatmaps(
    connection: Connection,
    model_id: int,
    written: Sequence[RecordPrediction],
    heatmaps: Mapping[tuple[str, str], str],
) -> None:
    rows = [
        (*each.key, model_id, each.image_url, heatmaps[each.key])
        for each in written
        if each.key in heatmaps
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
