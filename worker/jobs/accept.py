"""Accepting lists of record IDs: the whole list becomes a job, or nothing does."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.errors import KeyReusedError, UsageError
from common.europeana.record_ids import parse_record_id
from common.pictures.sources import PictureKinds, usual_picture
from common.store.bulk import SORT_MEMORY, copy_rows
from common.store.signals import wake_workers
from common.store.tables import JobState, PictureChoice, Priority
from common.store.tables.jobs import JOB_MODELS, UNFINISHED
from common.vision.answers.data_providers import odd_spellings
from worker.jobs.model_choice import JobModels, find_model, with_routes
from worker.jobs.names import check_job_name, check_name, check_unnamed
from worker.jobs.records import RecordSelection, submit_selection
from worker.jobs.without_promise import Unpromised, unpromised_of_submitted
from worker.ledger.cutting import PLACE, count_chunks, cut
from worker.ledger.routes import ROUTED_MODEL

Records = Iterable[str] | RecordSelection


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """How to work on a job; see `worker enqueue --help`.

    `name`: what people call the job; no other unfinished job may have it.
    `model`: NAME@VERSION, NAME for the version in service or the only one, or None for the active
    one, and for records of data providers the models in service for those.
    `picture`: None lets the priority decide (`usual_picture`). `unseen`: leave out records that the
    model has seen, or will see for another job. `explain`: store a heatmap for each enrichment.
    `look_again`: look at all pictures, also where the encoder saw them before; `max_age`: where it
    saw them longer ago than that. `request_sha256`: the hash of the list and the options; the same
    idempotency key with another one is refused.

    Raises:
        UsageError: name, submitter or key is empty, too long or no plain text, or there are both
            `look_again` and `max_age`.
    """

    name: str | None = None
    priority: Priority = Priority.BULK
    picture: PictureChoice | None = None
    model: str | None = None
    unseen: bool = False
    explain: bool = False
    look_again: bool = False
    max_age: timedelta | None = None
    submitter: str | None = None
    idempotency_key: str | None = None
    request_sha256: bytes | None = None

    def __post_init__(self) -> None:
        check_job_name(self.name)
        check_name(self.submitter, "submitter")
        check_name(self.idempotency_key, "idempotency key")
        if self.look_again and self.max_age is not None:
            raise UsageError("Give either --look-again or --max-age.")

    @property
    def looks_at(self) -> PictureChoice:
        return self.picture or usual_picture(self.priority)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A list that became a job of `total` records; the other records were left out.

    `already_known`: a job with the idempotency key existed, whose `state` this is.
    """

    job_id: UUID
    name: str | None
    state: JobState
    total: int
    pictures: PictureKinds
    duplicates: int = 0
    seen: int = 0
    already_known: bool = False


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What `enqueue` would make of a list; `unknown` records are not in the store.

    `unpromised` tells for whose records nothing is promised.
    """

    model: str
    pictures: PictureKinds
    total: int
    chunks: int
    duplicates: int
    seen: int
    unknown: int
    unpromised: list[Unpromised]


_KNOWN = text("""
    SELECT job.id, job.name, job.state, job.total, job.picture, job.request_sha256,
           model.picture_source
    FROM job JOIN model ON model.id = job.model_id WHERE idempotency_key = :idempotency_key
""")
_CREATE = text("""
    INSERT INTO job (name, model_id, priority, picture, explain, look_again, max_age, submitter,
                     idempotency_key, request_sha256)
    VALUES (:name, :model_id, :priority, :picture, :explain, :look_again, :max_age, :submitter,
            :idempotency_key, :request_sha256)
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING id
""")
_SUBMITTED = text("CREATE TEMPORARY TABLE submitted (record_id text) ON COMMIT DROP")
_COUNT = text("SELECT count(*) FROM submitted")
# A record without a usable picture was not seen. Records count by their present IDs. One model has
# seen a record, and one has to have seen it.
_FORGET_SEEN = text(f"""
    WITH looked AS (
        SELECT DISTINCT coalesce(alias.record_id, asked.id) AS record_id,
               {ROUTED_MODEL.format(record_id="coalesce(alias.record_id, asked.id)")} AS model_id
        FROM job JOIN job_chunk AS chunk ON chunk.job_id = job.id
        CROSS JOIN LATERAL unnest(chunk.record_ids) AS asked(id)
        LEFT JOIN record_alias AS alias ON alias.old_id = asked.id
        WHERE {JOB_MODELS} && CAST(:model_ids AS int[])
          AND (chunk.state IN ('done', 'dead') OR job.{UNFINISHED})
          AND NOT EXISTS (SELECT 1 FROM job_failure AS failure
                          WHERE failure.job_id = job.id AND failure.record_id = asked.id)
    ), seen AS (
        SELECT record_id
        FROM looked CROSS JOIN (SELECT CAST(:routes AS jsonb) AS routes,
                                       CAST(:model_id AS int) AS model_id) AS job
        WHERE looked.model_id = {ROUTED_MODEL.format(record_id="looked.record_id")}
    )
    DELETE FROM submitted WHERE record_id IN (
        SELECT record_id FROM seen UNION ALL
        SELECT alias.old_id FROM seen JOIN record_alias AS alias USING (record_id))
""")
_SORT = text(f"SET LOCAL work_mem = '{SORT_MEMORY}'")
# The order by hash spreads the records of one museum, and so those of one host, over all chunks.
_CHUNKS = text(f"""
    WITH ordered AS (
        SELECT record_id, row_number() OVER () - 1 AS nth
        FROM (SELECT DISTINCT ON (hashtext(record_id), record_id COLLATE "C") record_id
              FROM submitted ORDER BY hashtext(record_id), record_id COLLATE "C") AS distinct_ids
    ), placed AS (
        SELECT record_id, {PLACE} AS place FROM ordered
    )
    INSERT INTO job_chunk (job_id, number, record_ids)
    SELECT :job_id, place + 1, array_agg(record_id) FROM placed GROUP BY place
""")
_TOTAL = text("""
    UPDATE job SET total = counted.records, chunks = counted.chunks, also_models = :also_models,
           routes = CAST(:routes AS jsonb)
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
    """Make a job of any number of records; they are streamed, and an error leaves no job.

    `records` are IDs, item URIs or portal URLs, or a selection of the store's records. If a job
    already has the idempotency key, that job is returned and nothing is added.

    Raises:
        ModelError: there is no such model, or no model is active.
        UsageError: a text is not a record ID, the model's name is malformed, the selection names
            something that does not exist, or no record is left.
        KeyReusedError: the job with the idempotency key is of another request.
    """
    options = options or JobOptions()
    with engine.begin() as connection:
        models = find_model(connection, options.model)
        asked = {**asdict(options), "picture": options.looks_at, "model_id": models.ids[0]}
        job_id = connection.execute(_CREATE, asked).scalar_one_or_none()
        if job_id is None:
            return _known(connection, asked)
        check_unnamed(connection, options.name, job_id)
        submitted = _submit(connection, records, models, options)
        connection.execute(_SORT)
        connection.execute(_CHUNKS, {"job_id": job_id, **cut(options.priority)})
        total: int = connection.execute(
            _TOTAL, {"job_id": job_id, **_chosen(submitted.models)}
        ).scalar_one()
        _check_not_empty(total, submitted.seen)
        wake_workers(connection)
        return Accepted(
            job_id=job_id,
            name=options.name,
            state=JobState.RUNNING,
            total=total,
            pictures=submitted.models.pictures(options.looks_at),
            duplicates=submitted.count - submitted.seen - total,
            seen=submitted.seen,
        )


def preview(engine: Engine, records: Records, options: JobOptions | None = None) -> Preview:
    """What `enqueue` would do: it reads the whole list and raises the same, but writes nothing."""
    options = options or JobOptions()
    with engine.connect() as connection:  # without a commit
        submitted = _submit(connection, records, find_model(connection, options.model), options)
        models = submitted.models
        row = connection.execute(_PREVIEW).one()
        _check_not_empty(row.total, submitted.seen)
        return Preview(
            model=models.title,
            pictures=models.pictures(options.looks_at),
            total=row.total,
            chunks=count_chunks(row.total, options.priority),
            duplicates=submitted.count - submitted.seen - row.total,
            seen=submitted.seen,
            unknown=row.unknown,
            unpromised=unpromised_of_submitted(connection, models, total=row.total),
        )


def _known(connection: Connection, asked: dict[str, Any]) -> Accepted:
    row = connection.execute(_KNOWN, asked).one()
    known, sent = row.request_sha256, asked["request_sha256"]
    if None not in (known, sent) and bytes(known) != sent:
        raise KeyReusedError(
            f"Job {row.id} has this idempotency key, but another list or other options. "
            "Choose another key."
        )
    pictures = PictureKinds(looks_at=row.picture, trained_on=row.picture_source)
    return Accepted(
        job_id=row.id,
        name=row.name,
        state=JobState(row.state),
        total=row.total,
        pictures=pictures,
        already_known=True,
    )


@dataclass(frozen=True, kw_only=True)
class _Submitted:
    """How many IDs came, how many of them were left out as seen, and the models with routes."""

    count: int
    seen: int
    models: JobModels


def _submit(
    connection: Connection, records: Records, models: JobModels, options: JobOptions
) -> _Submitted:
    """Fill the table `submitted`, and find the routes if no model was named."""
    connection.execute(_SUBMITTED)
    if isinstance(records, RecordSelection):
        submit_selection(connection, records)
    else:
        rows = ((parse_record_id(each),) for each in records)
        copy_rows(connection, "submitted", ["record_id"], rows)
    count: int = connection.execute(_COUNT).scalar_one()
    if options.model is None:
        models = with_routes(connection, models, submitted=count)
    seen = _forget_seen(connection, models) if options.unseen else 0
    return _Submitted(count=count, seen=seen, models=models)


def _forget_seen(connection: Connection, models: JobModels) -> int:
    asked = {
        "model_ids": list(models.ids),
        "model_id": models.ids[0],
        "odd_spellings": json.dumps(odd_spellings(connection)),
    }
    return connection.execute(_FORGET_SEEN, asked | _chosen(models)).rowcount


def _chosen(models: JobModels) -> dict[str, Any]:
    """The routes of a job, as its row has them; workers before 0019 want their models as well."""
    routes = json.dumps(dict(models.routes)) if models.routes else None
    return {"also_models": list(models.ids[1:]), "routes": routes}


def _check_not_empty(total: int, seen: int) -> None:
    if total == 0:
        why = "the model has seen all records" if seen else "the list is empty"
        raise UsageError(f"There is no record to enqueue: {why}.")
