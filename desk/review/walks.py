"""Walks over records to fill a page: those of a job, of a data provider, of a model, or all.

Each walk has its own order and gives each record a place. The next page begins after the last
place. An index has the order of each walk, so Postgres stops as soon as the page is full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from common.errors import UsageError
from common.store.tables import Outcome
from common.store.tables.harvested import of_provider
from common.store.teaching.standing_verdicts import judged_conditions
from desk.review.filters import JudgedState, ViewFilters

COUNTED = 500  # records, or enrichments of a model, that a count walks over
CHUNKS = 40  # chunks of a job that a page walks over
JOBS, KEY = 50, 15 + 36  # jobs whose failures a page walks over; characters of a job's place

_OF_JOB = f"""
    SELECT coalesce(alias.record_id, asked.id) AS record_id, asked.id AS asked_id,
           chunk.number, asked.place AS nth,
           to_char(chunk.number, 'FM0000000000') || '.' || to_char(asked.place, 'FM000') AS place
    FROM (SELECT number, record_ids FROM job_chunk
          WHERE job_id = :job AND state IN ('done', 'dead') AND number >= :from_chunk
          ORDER BY number LIMIT {CHUNKS}) AS chunk
    CROSS JOIN LATERAL unnest(chunk.record_ids) WITH ORDINALITY AS asked(id, place)
    LEFT JOIN record_alias AS alias ON alias.old_id = asked.id
    WHERE (chunk.number, asked.place) > (:from_chunk, :from_place)
    ORDER BY chunk.number, asked.place LIMIT :most
"""
_AND_PROVIDER = """
    JOIN record ON record.id = step.record_id AND record.data_provider = :provider
"""
_CHUNK_AFTER = f"""
    (SELECT number FROM job_chunk
     WHERE job_id = :job AND state IN ('done', 'dead') AND number >= :from_chunk
     ORDER BY number OFFSET {CHUNKS} LIMIT 1)
"""
_OF_PROVIDER = f"""
    SELECT id AS record_id, id AS asked_id, id AS place FROM record
    WHERE {of_provider(":provider")} AND id > :after ORDER BY id LIMIT :most
"""
_OF_ALL = """
    SELECT id AS record_id, id AS asked_id, id AS place FROM record
    WHERE id > :after ORDER BY id LIMIT :most
"""
# The failures of the newest jobs. A place begins with the time of its job, the newest first.
_OF_FAILURES = f"""
    SELECT failure.record_id, failure.record_id AS asked_id, job.id AS job_id,
           job.key || failure.record_id AS place
    FROM (SELECT id, to_char(1e14 - floor(1e3 * extract(epoch FROM created_at)),
                             'FM000000000000000') || id AS key
          FROM job WHERE pruned_at IS NULL ORDER BY created_at DESC LIMIT {JOBS}) AS job
    CROSS JOIN LATERAL (
        SELECT record_id FROM job_failure
        WHERE job_id = job.id AND job.key || record_id > :after ORDER BY record_id LIMIT :most
    ) AS failure
    WHERE job.key >= left(:after, {KEY})
    ORDER BY job.key, failure.record_id LIMIT :most
"""
_OF_MODEL = """
    SELECT record_id, record_id AS asked_id, record_id AS place FROM enrichment
    WHERE model_id = :first AND record_id > :after
    GROUP BY record_id ORDER BY record_id LIMIT :most
"""
# Few records have a verdict, so this leaves out most of the work.
_OF_JUDGED = """
    WHERE EXISTS (SELECT FROM verdict
                  WHERE record_id = step.record_id AND withdrawn_at IS NULL OFFSET 0)
"""
_CONDITIONS = {
    "concept": "concept_uri = :concept",
    "lowest": "confidence >= :lowest",
    "highest": "confidence <= :highest",
}
# Enrichments record by record, with the verdicts on each. Without the fences (OFFSET 0) Postgres
# reads all enrichments of a new model, because it has no statistics about it.
_WRITTEN = """
    SELECT walked.record_id, walked.place, written.model_id, written.concept_uri,
           written.confidence, written.image_url, CAST(NULL AS text) AS reason,
           CAST(NULL AS text) AS detail
    FROM walked CROSS JOIN LATERAL (
        SELECT record_id, model_id, concept_uri, confidence, image_url FROM enrichment
        WHERE model_id = ANY(CAST(:models AS int[])) AND record_id = walked.record_id
        {conditions} OFFSET 0
    ) AS written {judged} ORDER BY {order}, written.confidence DESC LIMIT :rows
"""
_FAILED = """
    SELECT walked.record_id, walked.place, CAST(NULL AS int) AS model_id,
           CAST(NULL AS text) AS concept_uri, CAST(NULL AS float8) AS confidence,
           CAST(NULL AS text) AS image_url, failure.reason, failure.detail
    FROM walked JOIN job_failure AS failure
         ON failure.job_id = :job AND failure.record_id = walked.asked_id
    ORDER BY {order} LIMIT :rows
"""
_FAILED_ANYWHERE = """
    SELECT walked.record_id, walked.place, CAST(NULL AS int) AS model_id,
           CAST(NULL AS text) AS concept_uri, CAST(NULL AS float8) AS confidence,
           CAST(NULL AS text) AS image_url, failure.reason, failure.detail
    FROM walked JOIN job_failure AS failure USING (job_id, record_id)
    WHERE NOT EXISTS (SELECT FROM enrichment WHERE model_id = ANY(CAST(:models AS int[]))
                      AND record_id = walked.record_id)
    ORDER BY {order} LIMIT :rows
"""
_NOTHING = """
    SELECT walked.record_id, walked.place, CAST(NULL AS int) AS model_id,
           CAST(NULL AS text) AS concept_uri, CAST(NULL AS float8) AS confidence,
           CAST(NULL AS text) AS image_url, CAST(NULL AS text) AS reason,
           CAST(NULL AS text) AS detail
    FROM walked
    WHERE NOT EXISTS (SELECT FROM enrichment WHERE model_id = ANY(CAST(:models AS int[]))
                      AND record_id = walked.record_id)
      AND NOT EXISTS (SELECT FROM job_failure AS failure
                      WHERE failure.job_id = :job AND failure.record_id = walked.asked_id)
    ORDER BY {order} LIMIT :rows
"""


def walk_statement(filters: ViewFilters, *, told: str) -> str:
    """The SQL statement for a page.

    Args:
        told: a query that adds to the rows `found` the columns that the page shows.
    """
    return f"""
        WITH step AS ({_walk(filters)}), walked AS (SELECT step.* FROM step {_narrowed(filters)}),
             found AS ({_found(filters)}), told AS ({told})
        SELECT (SELECT json_agg(told) FROM told) AS found,
               (SELECT count(*) FROM step) AS walked, (SELECT max(place) FROM step) AS last,
               {_CHUNK_AFTER if filters.job else "NULL"} AS chunk_after
    """


def _walk(filters: ViewFilters) -> str:
    if filters.job:
        return _OF_JOB
    if filters.outcome is Outcome.FAILED:
        return _OF_FAILURES
    if filters.provider:
        return _OF_PROVIDER
    return _OF_MODEL if filters.outcome is Outcome.ENRICHED else _OF_ALL


def _narrowed(filters: ViewFilters) -> str:
    """A condition on the records of a walk, if it costs less than searching each of them."""
    is_of_others = filters.job or filters.outcome is Outcome.FAILED
    of_provider = _AND_PROVIDER if is_of_others and filters.provider else ""
    is_judged = filters.judged in (JudgedState.YES, JudgedState.DISPUTED)
    return of_provider + (_OF_JUDGED if is_judged and filters.outcome is Outcome.ENRICHED else "")


def _found(filters: ViewFilters) -> str:
    order = "walked.number, walked.nth" if filters.job else "walked.place"
    if filters.outcome is Outcome.FAILED:
        return (_FAILED if filters.job else _FAILED_ANYWHERE).format(order=order)
    if filters.outcome is not Outcome.ENRICHED:
        return _NOTHING.format(order=order)
    conditions = [f"AND {each}" for each in _given_conditions(filters)]
    judged = judged_conditions("written").get(filters.judged)
    return _WRITTEN.format(
        conditions=" ".join(conditions), judged=f"WHERE {judged}" if judged else "", order=order
    )


def _given_conditions(filters: ViewFilters) -> list[str]:
    return [sql for name, sql in _CONDITIONS.items() if getattr(filters, name) not in (None, "")]


def parameters(filters: ViewFilters, model_ids: Sequence[int]) -> dict[str, Any]:
    """Parameters of all statements. Without a job, they ask for rows of the first model."""
    return {
        "job": filters.job,
        "provider": filters.provider,
        "concept": filters.concept,
        "lowest": filters.lowest,
        "highest": filters.highest,
        "models": list(model_ids),
        "first": next(iter(model_ids), None),
    }


def place_to_begin(filters: ViewFilters) -> dict[str, Any]:
    """The parameters for the place where the walk begins.

    Raises:
        UsageError: the place is malformed.
    """
    if not filters.job:
        return {"after": filters.after}
    chunk, _, place = (filters.after or "0.0").partition(".")
    if not (chunk.isdecimal() and place.isdecimal() and len(filters.after) <= 14):
        raise UsageError("This address is not valid. Begin with the first page.")
    return {"from_chunk": int(chunk), "from_place": int(place)}


_COUNTED_OF_JOB = """
    SELECT asked.id AS record_id FROM job_chunk CROSS JOIN LATERAL unnest(record_ids) AS asked(id)
    JOIN record ON record.id = asked.id
    WHERE job_id = :job AND state = 'done' AND (:provider = '' OR data_provider = :provider)
    LIMIT :most
"""
_COUNTED_OF_PROVIDER = (
    f"SELECT id AS record_id FROM record WHERE {of_provider(':provider')} LIMIT :most"
)
_BY_RECORD = """
    SELECT enrichment.* FROM walked CROSS JOIN LATERAL (
        SELECT * FROM enrichment
        WHERE model_id = ANY(CAST(:models AS int[])) AND record_id = walked.record_id OFFSET 0
    ) AS enrichment
"""
_COUNTED_OF_MODEL = "SELECT * FROM enrichment WHERE model_id = :first LIMIT :most"


@dataclass(frozen=True, kw_only=True)
class EnrichmentCount:
    """How many enrichments fit. `is_whole` is false if only a part was counted."""

    found: int
    is_whole: bool


def count_enrichments(
    connection: Connection, filters: ViewFilters, model_ids: Sequence[int]
) -> EnrichmentCount:
    """Count the enrichments that See shows on all its pages.

    Args:
        model_ids: as for `suggestion_page`.
    """
    conditions = _given_conditions(filters)
    conditions += [judged_conditions("each")[filters.judged]] if filters.judged != "any" else []
    of_others = _COUNTED_OF_PROVIDER if filters.provider else _COUNTED_OF_MODEL
    walk = _COUNTED_OF_JOB if filters.job else of_others
    each = _BY_RECORD if filters.job or filters.provider else "SELECT * FROM walked"
    statement = f"""
        WITH walked AS MATERIALIZED ({walk}), each AS ({each})
        SELECT (SELECT count(*) FROM each WHERE {" AND ".join(conditions) or "true"}) AS found,
               (SELECT count(*) FROM walked) AS walked
    """
    asked = parameters(filters, model_ids) | {"most": COUNTED}
    row = connection.execute(text(statement), asked).one()
    return EnrichmentCount(found=row.found, is_whole=row.walked < COUNTED)
