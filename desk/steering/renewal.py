"""Renewal: a job that predicts again with the model that has learned from verdicts.

It takes the data provider's records whose pictures the encoder has seen. If the refit was for a
job that still has its list of records, it takes that job's records of the provider. The embeddings
are saved, so this takes seconds.
"""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.process.periodic import PeriodicThread
from common.store.model_names import ModelName
from common.store.tables import PictureChoice, Priority
from common.store.tables.harvested import of_provider
from worker.jobs.accept import JobOptions, enqueue

_READ_AT_A_TIME = 10_000  # IDs

# Only a model in service has a renewal. A refit without such records stays due for an hour.
_DUE = text("""
    SELECT refit.id FROM refit JOIN service ON service.model_id = refit.taught_id
         AND service.data_provider = refit.data_provider AND service.ended_at IS NULL
    WHERE refit.result IS NOT NULL AND refit.renewal_id IS NULL
      AND refit.ended_at > now() - interval '1 hour' ORDER BY refit.id LIMIT 10
""")
# If the job's list of records was removed, the renewal takes all records of the data provider.
_ENDED_WELL = text("""
    SELECT refit.renewal_id, job.id AS job_id, refit.data_provider, job.picture,
           model.name, model.version, model.encoder_id
    FROM refit LEFT JOIN job ON job.id = refit.job_id AND job.pruned_at IS NULL
    JOIN model ON model.id = refit.taught_id
    WHERE refit.id = :refit_id AND refit.result IS NOT NULL
""")
_SEEN = text(f"""
    SELECT record.id, bool_or(seen.source = 'media') AS by_file FROM record
    JOIN picture_seen AS seen ON seen.record_id = record.id
    JOIN embedding ON embedding.encoder_id = :encoder_id AND embedding.sha256 = seen.sha256
    WHERE {of_provider(":data_provider")}
    GROUP BY record.id
""")
_MOSTLY_BY_FILE = text(f"""
    SELECT 2 * count(*) FILTER (WHERE by_file) > count(*) AS is_so, count(*) > 0 AS are_there
    FROM ({_SEEN.text}) AS seen
""")
_RECORDS = text("""
    SELECT record.id FROM job_chunk AS chunk
    CROSS JOIN LATERAL unnest(chunk.record_ids) AS asked(id)
    LEFT JOIN record_alias AS alias ON alias.old_id = asked.id
    JOIN record ON record.id = coalesce(alias.record_id, asked.id)
    WHERE chunk.job_id = :job_id AND record.data_provider = :data_provider
""")
_ANY = text(f"{_RECORDS.text} LIMIT 1")
_IDS = text(f"SELECT id FROM ({_SEEN.text}) AS seen")
_NOTE = text("UPDATE refit SET renewal_id = :renewal_id WHERE id = :refit_id")


class Renewals(PeriodicThread):
    """Begins the renewals that are due, even if no person looks at the page."""

    def __init__(self, engine: Engine) -> None:
        super().__init__("renewals", interval=1.0)
        self._engine = engine

    def run_once(self) -> None:
        with self._engine.connect() as connection:
            due = connection.execute(_DUE).scalars().all()
        for refit_id in due:
            renew(self._engine, refit_id)


def renew(engine: Engine, refit_id: int) -> UUID | None:
    """The job that renews the suggestions of a refit. It is enqueued once, at the first call.

    Returns:
        None if the refit has not succeeded, or there are no such records.
    """
    with engine.connect() as connection:
        row = connection.execute(_ENDED_WELL, {"refit_id": refit_id}).one_or_none()
        if row is None:
            return None
        if row.renewal_id is not None:
            return UUID(str(row.renewal_id))
        asked = {"data_provider": row.data_provider}
        asked |= {"job_id": row.job_id} if row.job_id else {"encoder_id": row.encoder_id}
        picture = _picture(connection, asked, row.picture)
        if picture is None:
            return None
        options = JobOptions(
            priority=Priority.URGENT,
            picture=picture,
            model=str(ModelName(row.name, row.version)),
            submitter="desk",
            idempotency_key=f"refit {refit_id}",
        )
        accepted = enqueue(engine, _record_ids(connection, asked), options)
    with engine.begin() as connection:
        connection.execute(_NOTE, {"refit_id": refit_id, "renewal_id": accepted.job_id})
    return accepted.job_id


def _picture(
    connection: Connection, asked: dict[str, object], of_job: str | None
) -> PictureChoice | None:
    """The source of pictures with which most saved embeddings fit; None if there are no records."""
    if of_job is not None:
        is_there = connection.execute(_ANY, asked).first() is not None
        return PictureChoice(of_job) if is_there else None
    seen = connection.execute(_MOSTLY_BY_FILE, asked).one()
    if not seen.are_there:
        return None
    return PictureChoice.AUTO if seen.is_so else PictureChoice.THUMBNAIL


def _record_ids(connection: Connection, asked: dict[str, object]) -> Iterator[str]:
    stream = connection.execution_options(yield_per=_READ_AT_A_TIME)
    statement = _RECORDS if "job_id" in asked else _IDS
    yield from stream.execute(statement, asked).scalars()
