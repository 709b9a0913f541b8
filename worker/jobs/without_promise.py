"""What is not promised: data providers that the promises of a job are not for, and models of which
nothing is promised at all, as of a refit or of a model that was imported without pictures.

Only the first MOST_RECORDS of a job are counted. Records are in its chunks by a hash, so the first
ones are a sample of all, and a job of ten million takes no longer than one of twenty thousand.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, TextClause, text

from common.store.model_names import ModelName
from common.store.teaching.certificates import standing_certificates
from common.vision.answers.provider_names import provider_name
from worker.jobs.model_choice import JobModels
from worker.ledger.cutting import CHUNK_SIZE
from worker.ledger.routes import Routes

MOST_RECORDS = 20_000
SHOWN = 10  # data providers


@dataclass(frozen=True, kw_only=True)
class Unpromised:
    """Data providers without a promise of the models, with their records, most records first.

    For models without a promise, no provider is named. `counted` records of a list were looked up
    in the store: all of them, or a part if it `is_sample`. `certificates` of the models are about
    records of the job.
    """

    models: tuple[str, ...]
    data_providers: dict[str, int]
    counted: int
    is_sample: bool
    certificates: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self._unpromised, *self.certificates])

    @property
    def _unpromised(self) -> str:
        models = ", ".join(self.models)
        if not self.data_providers and self.certificates:
            return f"{models} has no promise, but a certificate covers a part of its enrichments."
        if not self.data_providers:
            return (
                f"The accuracy of {models} is not guaranteed, because the store has no promise "
                "for it."
            )
        shown = list(self.data_providers.items())[:SHOWN]
        listed = ", ".join(f"{name} ({records:,})" for name, records in shown)
        more = len(self.data_providers) - len(shown)
        others = f" and {more:,} more" if more else ""
        sample = f" Counted in a sample of {self.counted:,} records." if self.is_sample else ""
        return (
            f"The accuracy of {models} is not guaranteed for {listed}{others}, because it "
            f"was not tested on their records.{sample}"
        )


_JOB = text("SELECT total, model_id, routes FROM job WHERE id = :job_id")
_LEARNED_FROM = text("""
    SELECT model.id, name, version, promise -> 'providers' AS data_providers
    FROM unnest(CAST(:model_ids AS int[])) WITH ORDINALITY AS wanted(id, place)
    JOIN model USING (id) WHERE promise -> 'providers' <> '{}' ORDER BY place
""")
_WITHOUT_PROMISE = text("""
    SELECT name, version
    FROM unnest(CAST(:model_ids AS int[])) WITH ORDINALITY AS wanted(id, place)
    JOIN model USING (id) WHERE promise IS NULL ORDER BY place
""")
# No join: Postgres would read all records of the store for it.
_COUNT = """
    SELECT (SELECT data_provider FROM record WHERE id = coalesce(
               (SELECT record_id FROM record_alias WHERE old_id = sample.record_id),
               sample.record_id)) AS data_provider,
           count(*) AS records
    FROM sample GROUP BY 1 ORDER BY records DESC, 1
"""
_OF_JOB = text(f"""
    WITH sample AS (
        SELECT record_id FROM (SELECT record_ids FROM job_chunk WHERE job_id = :job_id
                               ORDER BY number LIMIT :most / {CHUNK_SIZE} + 1) AS first
        CROSS JOIN LATERAL unnest(record_ids) AS each(record_id) LIMIT :most
    ) {_COUNT}
""")
_OF_SUBMITTED = text(f"""
    WITH drawn AS (SELECT record_id FROM submitted ORDER BY hashtext(record_id) LIMIT :most),
    sample AS (SELECT DISTINCT record_id FROM drawn) {_COUNT}
""")


def unpromised(engine: Engine, job_id: UUID) -> list[Unpromised]:
    """For whose records a job's models promise nothing, as far as the store knows the records.

    Models without a promise are reported together. A model whose providers are unknown is not
    reported.
    """
    asked = {"job_id": job_id}
    with engine.connect() as connection:
        job = connection.execute(_JOB, asked).one()
        routes = Routes(model_id=job.model_id, by_provider=job.routes or {})
        silent = _unpromised(connection, routes, _OF_JOB, asked, total=job.total)
        return _certified(connection, silent, job_id, routes.model_ids) if silent else []


def _certified(
    connection: Connection, found: list[Unpromised], job_id: UUID, model_ids: Sequence[int]
) -> list[Unpromised]:
    chunks = MOST_RECORDS // CHUNK_SIZE + 1
    known = standing_certificates(connection, model_ids, job_id=job_id, chunks=chunks)
    return [
        replace(
            each,
            certificates=tuple(
                str(one)
                for one in known
                if one.title in each.models
                and (not each.data_providers or one.data_provider in (None, *each.data_providers))
            ),
        )
        for each in found
    ]


def unpromised_of_submitted(
    connection: Connection, models: JobModels, *, total: int
) -> list[Unpromised]:
    """The same for the table `submitted`, before there is a job."""
    routes = Routes(model_id=models.ids[0], by_provider=models.routes)
    return _unpromised(connection, routes, _OF_SUBMITTED, {}, total=total)


def _unpromised(
    connection: Connection,
    routes: Routes,
    counting: TextClause,
    asked: Mapping[str, object],
    *,
    total: int,
) -> list[Unpromised]:
    models = {"model_ids": list(routes.model_ids)}
    without = [_title(row) for row in connection.execute(_WITHOUT_PROMISE, models)]
    found = (
        [Unpromised(models=tuple(without), data_providers={}, counted=0, is_sample=False)]
        if without
        else []
    )
    learned_from = connection.execute(_LEARNED_FROM, models).all()
    if not learned_from:
        return found
    records: Counter[str] = Counter()
    for row in connection.execute(counting, {**asked, "most": MOST_RECORDS}):
        records[provider_name(row.data_provider or "")] += row.records
    counted = records.total()
    for model in learned_from:
        known = {"", *map(provider_name, model.data_providers)}
        strange = {
            name: count
            for name, count in records.most_common()
            if name not in known and routes.model_of(name) == model.id
        }
        if strange:
            told = Unpromised(
                models=(_title(model),),
                data_providers=strange,
                counted=counted,
                is_sample=counted < total,
            )
            found.append(told)
    return found


def _title(row: Row[Any]) -> str:
    return ModelName(row.name, row.version).title
