"""Accepting lists of record IDs: a job is there as a whole, or not at all."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, text

from common.errors import ModelError, UsageError
from common.europeana.record_ids import parse_record_id
from common.pictures.sources import PictureKinds, usual_picture
from common.store.bulk import copy_rows
from common.store.tables import PictureChoice, Priority
from worker.jobs.records import RecordSelection, submit_selection
from worker.ledger.chunks import CHUNK_SIZE

Records = Iterable[str] | RecordSelection


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """How a job is to be worked on; see `worker enqueue --help`.

    `model` is NAME, which means its newest version, or NAME@VERSION; without one the active model
    is used. Without a `picture` the priority decides (`usual_picture`). `unseen` leaves out what
    the model has looked at, or will look at for another job. `explain` stores for each enrichment
    a heatmap of where the model looked.
    """

    priority: Priority = Priority.BULK
    picture: PictureChoice | None = None
    model: str | None = None
    unseen: bool = False
    explain: bool = False
    submitter: str | None = None
    idempotency_key: str | None = None

    @property
    def looks_at(self) -> PictureChoice:
        """Which pictures the job looks at."""
        return self.picture or usual_picture(self.priority)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What became of a list: a job of `total` records; the others were left out."""

    job_id: UUID
    total: int
    pictures: PictureKinds
    duplicates: int = 0
    seen: int = 0
    already_known: bool = False


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What would become of a list; the APIs would be asked about `unknown` of its records."""

    model: str
    pictures: PictureKinds
    total: int
    chunks: int
    duplicates: int
    seen: int
    unknown: int


_MODEL = text("""
    SELECT id, name || ' v' || version AS title, picture_source FROM model
    WHERE CASE WHEN CAST(:model AS text) IS NULL THEN stage = 'active'
               ELSE :model IN (name, name || '@' || version) END
    ORDER BY version DESC LIMIT 1
""")
_KNOWN = text("""
    SELECT job.id, job.total, job.picture, model.picture_source
    FROM job JOIN model ON model.id = job.model_id WHERE idempotency_key = :idempotency_key
""")
_CREATE = text("""
    INSERT INTO job (model_id, priority, picture, explain, submitter, idempotency_key)
    VALUES (:model_id, :priority, :picture, :explain, :submitter, :idempotency_key)
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING id
""")
_SUBMITTED = text("CREATE TEMPORARY TABLE submitted (record_id text) ON COMMIT DROP")
_COUNT = text("SELECT count(*) FROM submitted")
# A record whose picture could not be had was not seen; it is by the ID that it has now.
_FORGET_SEEN = text("""
    WITH seen AS (
        SELECT DISTINCT coalesce(alias.record_id, asked.id) AS record_id
        FROM job JOIN job_chunk AS chunk ON chunk.job_id = job.id
        CROSS JOIN LATERAL unnest(chunk.record_ids) AS asked(id)
        LEFT JOIN record_alias AS alias ON alias.old_id = asked.id
        WHERE job.model_id = :model_id
          AND (chunk.state IN ('done', 'dead') OR job.state IN ('running', 'paused'))
          AND NOT EXISTS (SELECT 1 FROM job_failure AS failure
                          WHERE failure.job_id = job.id AND failure.record_id = asked.id)
    )
    DELETE FROM submitted WHERE record_id IN (
        SELECT record_id FROM seen UNION ALL
        SELECT alias.old_id FROM seen JOIN record_alias AS alias USING (record_id))
""")
# The order by hash spreads the records of one museum, and so of one image host, over all chunks.
_CHUNKS = text("""
    WITH placed AS (
        SELECT record_id, (row_number() OVER (
                   ORDER BY hashtext(record_id), record_id COLLATE "C") - 1) / :chunk_size AS place
        FROM (SELECT DISTINCT record_id FROM submitted) AS distinct_ids
    )
    INSERT INTO job_chunk (job_id, number, record_ids)
    SELECT :job_id, place + 1, array_agg(record_id) FROM placed GROUP BY place
""")
_TOTAL = text("""
    UPDATE job SET total = counted.records, chunks = counted.chunks
    FROM (SELECT coalesce(sum(cardinality(record_ids)), 0) AS records, count(*) AS chunks
          FROM job_chunk WHERE job_id = :job_id) AS counted
    WHERE id = :job_id RETURNING total
""")
_PREVIEW = text("""
    SELECT count(*) AS total, count(*) FILTER (WHERE NOT EXISTS (
        SELECT 1 FROM record WHERE id = record_id UNION ALL
        SELECT 1 FROM record_alias WHERE old_id = record_id)) AS unknown
    FROM (SELECT DISTINCT record_id FROM submitted) AS distinct_ids
""")


def enqueue(engine: Engine, records: Records, options: JobOptions | None = None) -> Accepted:
    """Make a job of any number of records; streams, all or nothing.

    `records` are IDs, item URIs or portal URLs, or a selection of the store's records. Whatever
    the iterable raises leaves no job behind. With an idempotency key that a job already has,
    nothing is added and that job is returned.

    Raises:
        ModelError: there is no such model, or none is active.
        UsageError: a text is no record ID, the selection names what does not exist, or not a
            single record is left.
    """
    options = options or JobOptions()
    with engine.begin() as connection:
        model = _find_model(connection, options.model)
        asked = {**asdict(options), "picture": options.looks_at, "model_id": model.id}
        job_id = connection.execute(_CREATE, asked).scalar_one_or_none()
        if job_id is None:
            return _known(connection, asked)
        submitted, seen = _submit(
            connection, records, unseen_by=model.id if options.unseen else None
        )
        connection.execute(_CHUNKS, {"job_id": job_id, "chunk_size": CHUNK_SIZE})
        total: int = connection.execute(_TOTAL, {"job_id": job_id}).scalar_one()
        _refuse_nothing(total, seen)
        return Accepted(
            job_id=job_id,
            total=total,
            pictures=PictureKinds(looks_at=options.looks_at, trained_on=model.picture_source),
            duplicates=submitted - seen - total,
            seen=seen,
        )


def preview(engine: Engine, records: Records, options: JobOptions | None = None) -> Preview:
    """What `enqueue` would do; reads everything, writes nothing, raises the same."""
    options = options or JobOptions()
    with engine.connect() as connection:  # which rolls back
        model = _find_model(connection, options.model)
        submitted, seen = _submit(
            connection, records, unseen_by=model.id if options.unseen else None
        )
        row = connection.execute(_PREVIEW).one()
        _refuse_nothing(row.total, seen)
        return Preview(
            model=model.title,
            pictures=PictureKinds(looks_at=options.looks_at, trained_on=model.picture_source),
            total=row.total,
            chunks=-(-row.total // CHUNK_SIZE),
            duplicates=submitted - seen - row.total,
            seen=seen,
            unknown=row.unknown,
        )


def _known(connection: Connection, asked: dict[str, Any]) -> Accepted:
    row = connection.execute(_KNOWN, asked).one()
    pictures = PictureKinds(looks_at=row.picture, trained_on=row.picture_source)
    return Accepted(job_id=row.id, total=row.total, pictures=pictures, already_known=True)


def _find_model(connection: Connection, name: str | None) -> Row[Any]:
    model = connection.execute(_MODEL, {"model": name}).one_or_none()
    if model is not None:
        return model
    if name is None:
        raise ModelError("No model is active; promote one: trainer promote EXPERIMENT")
    raise ModelError(f"There is no model {name}; see: trainer models")


def _submit(connection: Connection, records: Records, unseen_by: int | None) -> tuple[int, int]:
    """Fill `submitted`; how many IDs came, and how many of them this model has seen."""
    connection.execute(_SUBMITTED)
    if isinstance(records, RecordSelection):
        submit_selection(connection, records)
    else:
        rows = ((parse_record_id(each),) for each in records)
        copy_rows(connection, "submitted", ["record_id"], rows)
    submitted: int = connection.execute(_COUNT).scalar_one()
    if unseen_by is None:
        return submitted, 0
    return submitted, connection.execute(_FORGET_SEEN, {"model_id": unseen_by}).rowcount


def _refuse_nothing(total: int, seen: int) -> None:
    if total == 0:
        why = "the model has seen them all" if seen else "the list is empty"
        raise UsageError(f"There is no record ID to enqueue: {why}.")
