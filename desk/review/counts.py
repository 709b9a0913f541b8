"""How many enrichments fit the filters of See, as far as a page has time to count."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from common.store.tables.harvested import of_provider
from common.store.teaching.standing_verdicts import judged_conditions
from desk.review.filters import ViewFilters

MOST = 20_000  # records, or enrichments of a model, that are walked over

_OF_JOB = """
    SELECT asked.id AS record_id FROM job_chunk CROSS JOIN LATERAL unnest(record_ids) AS asked(id)
    JOIN record ON record.id = asked.id
    WHERE job_id = :job AND state = 'done' AND (:provider = '' OR data_provider = :provider)
    LIMIT :most
"""
_OF_PROVIDER = f"SELECT id AS record_id FROM record WHERE {of_provider(':provider')} LIMIT :most"
_BY_RECORD = """
    SELECT enrichment.* FROM walked CROSS JOIN LATERAL (
        SELECT * FROM enrichment
        WHERE model_id = ANY(CAST(:models AS int[])) AND record_id = walked.record_id OFFSET 0
    ) AS enrichment
"""
_OF_MODEL = "SELECT * FROM enrichment WHERE model_id = :first LIMIT :most"
_CONDITIONS = {
    "concept": "concept_uri = :concept",
    "lowest": "confidence >= :lowest",
    "highest": "confidence <= :highest",
}


@dataclass(frozen=True, kw_only=True)
class EnrichmentCount:
    """So many enrichments fit; `is_whole` unless there was no time to look at all."""

    found: int
    is_whole: bool


def count_enrichments(
    connection: Connection, filters: ViewFilters, model_ids: Sequence[int]
) -> EnrichmentCount:
    """How many enrichments See shows on all its pages.

    Args:
        model_ids: as for `suggestion_page`.
    """
    conditions = [sql for name, sql in _CONDITIONS.items() if getattr(filters, name)]
    conditions += [judged_conditions("each")[filters.judged]] if filters.judged != "any" else []
    walk = _OF_JOB if filters.job else _OF_PROVIDER if filters.provider else _OF_MODEL
    each = _BY_RECORD if filters.job or filters.provider else "SELECT * FROM walked"
    statement = f"""
        WITH walked AS MATERIALIZED ({walk}), each AS ({each})
        SELECT (SELECT count(*) FROM each WHERE {" AND ".join(conditions) or "true"}) AS found,
               (SELECT count(*) FROM walked) AS walked
    """
    asked = {
        "job": filters.job,
        "provider": filters.provider,
        "concept": filters.concept,
        "lowest": filters.lowest,
        "highest": filters.highest,
        "models": list(model_ids),
        "first": next(iter(model_ids), None),
        "most": MOST,
    }
    row = connection.execute(text(statement), asked).one()
    return EnrichmentCount(found=row.found, is_whole=row.walked < MOST)
