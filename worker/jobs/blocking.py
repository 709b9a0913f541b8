"""Which decisions blocked records of a job: who decided, and why."""

from uuid import UUID

from sqlalchemy import Engine, text

from common.store.decisions import DecisionMade, list_decisions
from common.store.tables import Decided
from common.store.tables.jobs import JOB_MODELS

SHOWN = 10  # decisions

# Chunks know the data providers of their records by the names that decisions have.
_CONCERNED = text(f"""
    SELECT ARRAY(SELECT DISTINCT unnest(model.labels) FROM job JOIN model
                 ON model.id = ANY({JOB_MODELS})
                 WHERE job.id = :job_id) AS concepts,
           ARRAY(SELECT DISTINCT of_provider.key FROM job_chunk
                 CROSS JOIN LATERAL jsonb_each(said) AS of_model
                 CROSS JOIN LATERAL jsonb_each(of_model.value) AS of_provider
                 WHERE job_id = :job_id AND blocked > 0) AS data_providers
""")


def blocking(engine: Engine, job_id: UUID) -> list[DecisionMade]:
    """The standing decisions that block concepts of a job's models for its blocked records.

    The newest come first, at most SHOWN. There are none if what blocked them was undone since.
    """
    with engine.connect() as connection:
        concerned = connection.execute(_CONCERNED, {"job_id": job_id}).one()
        made = list_decisions(connection, decided=(Decided.BLOCKED, Decided.REFUSED))
    concepts = {None, *concerned.concepts}
    providers = {None, *concerned.data_providers}
    return [
        each for each in made if each.concept_uri in concepts and each.data_provider in providers
    ][:SHOWN]
