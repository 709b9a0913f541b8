"""Renewal: the suggestions of a job, said again by the model that has learned from verdicts.

The pictures were looked at for the job, so their embeddings are read: that takes seconds.
"""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.process.periodic import PeriodicThread
from common.store.model_names import ModelName
from common.store.tables import PictureChoice, Priority
from worker.jobs.accept import JobOptions, enqueue

_READ_AT_A_TIME = 10_000  # IDs

# A refit whose job has no record of the data provider is due for an hour, in vain.
_DUE = text("""
    SELECT id FROM refit WHERE result IS NOT NULL AND job_id IS NOT NULL AND renewal_id IS NULL
       AND ended_at > now() - interval '1 hour' ORDER BY id LIMIT 10
""")
_ENDED_WELL = text("""
    SELECT refit.renewal_id, refit.job_id, refit.data_provider, job.picture,
           model.name, model.version
    FROM refit JOIN job ON job.id = refit.job_id JOIN model ON model.id = refit.taught_id
    WHERE refit.id = :refit_id AND refit.result IS NOT NULL
""")
_RECORDS = text("""
    SELECT record.id FROM job_chunk AS chunk
    CROSS JOIN LATERAL unnest(chunk.record_ids) AS asked(id)
    LEFT JOIN record_alias AS alias ON alias.old_id = asked.id
    JOIN record ON record.id = coalesce(alias.record_id, asked.id)
    WHERE chunk.job_id = :job_id AND record.data_provider = :data_provider
""")
_ANY = text(f"{_RECORDS.text} LIMIT 1")
_NOTE = text("UPDATE refit SET renewal_id = :renewal_id WHERE id = :refit_id")


class Renewals(PeriodicThread):
    """Begins the renewals that are due, whether or not anybody looks at the page."""

    def __init__(self, engine: Engine, *, interval: float = 1.0) -> None:
        super().__init__("renewals", interval=interval)
        self._engine = engine

    def run_once(self) -> None:
        """Begin them, one after the other."""
        with self._engine.connect() as connection:
            due = connection.execute(_DUE).scalars().all()
        for refit_id in due:
            renew(self._engine, refit_id)


def renew(engine: Engine, refit_id: int) -> UUID | None:
    """The job that renews the suggestions for which a refit was asked, made if there is none yet.

    It is one job, however often and by whomever it is asked for.

    Returns:
        None if the refit has not ended well, was asked for no job, or the job has no record of the
        data provider.
    """
    with engine.connect() as connection:
        row = connection.execute(_ENDED_WELL, {"refit_id": refit_id}).one_or_none()
        if row is None:
            return None
        if row.renewal_id is not None:
            return UUID(str(row.renewal_id))
        asked = {"job_id": row.job_id, "data_provider": row.data_provider}
        if connection.execute(_ANY, asked).first() is None:
            return None
        options = JobOptions(
            priority=Priority.URGENT,
            picture=PictureChoice(row.picture),
            model=str(ModelName(row.name, row.version)),
            submitter="desk",
            idempotency_key=f"refit {refit_id}",
        )
        accepted = enqueue(engine, _record_ids(connection, asked), options)
    with engine.begin() as connection:
        connection.execute(_NOTE, {"refit_id": refit_id, "renewal_id": accepted.job_id})
    return accepted.job_id


def _record_ids(connection: Connection, asked: dict[str, object]) -> Iterator[str]:
    stream = connection.execution_options(yield_per=_READ_AT_A_TIME)
    yield from stream.execute(_RECORDS, asked).scalars()
