"""The grounds of a statement: what must hold so that it may stand at Europeana.

A ground is the confirmation of reviewers, or a certificate that covers the enrichment and proves
the precision that the plan asks for. The data provider also consents, no decision blocks the
concept, and reviewers do not call it wrong or too general. A withdrawal ends the grounds that are
older than it; what reviewers confirm later is a new ground.
"""

from enum import StrEnum
from typing import Any

from common.store.teaching.standing_verdicts import STANDING_VERDICTS


class Obstacle(StrEnum):
    """Why a statement is not published."""

    BLOCKED = "blocked"
    NO_CONSENT = "no_consent"
    JUDGED = "judged"
    WITHDRAWN = "withdrawn"
    NO_GROUNDS = "no_grounds"
    PUBLISHED = "published"
    ALREADY_SAID = "already_said"
    REFUSED = "refused"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Obstacle.BLOCKED: "a decision blocks the concept, or the provider refuses enrichments",
    Obstacle.NO_CONSENT: "the data provider has not consented",
    Obstacle.JUDGED: "reviewers call the statement wrong or too general, or disagree",
    Obstacle.WITHDRAWN: "an operator withdrew the statement, and there is no new verdict or audit",
    Obstacle.NO_GROUNDS: "neither reviewers nor a certificate confirm the statement",
    Obstacle.PUBLISHED: "already published, or waiting to be published",
    Obstacle.ALREADY_SAID: "Europeana already has the same statement",
    Obstacle.REFUSED: "Europeana refused the statement before",
}

LIVE_AUDITS = """
    SELECT audit.id, audit.model_id, audit.precision, audit.ended_at FROM audit
    WHERE audit.state = 'closed' AND audit.withdrawn_at IS NULL
      AND NOT EXISTS (
        SELECT FROM withdrawal WHERE withdrawal.made_at >= audit.ended_at
           AND (withdrawal.model_id = audit.model_id OR withdrawal.audit_id = audit.id))
"""
"""A query of the certificates that no withdrawal of their model or audit has ended."""

PROVIDER = """
    coalesce(CAST(:odd_spellings AS jsonb) ->> record.data_provider, record.data_provider)
"""
"""The name of a record's data provider as decisions have it; see `odd_spellings`."""


def _is_ended(time: str, *, by_scope: str) -> str:
    """Whether a withdrawal has ended a ground of that time; `by_scope` adds who else may."""
    return f"""
        EXISTS (SELECT FROM withdrawal WHERE withdrawal.made_at >= {time}
                AND (withdrawal.concept_uri = statement.concept_uri
                     OR withdrawal.data_provider = statement.provider OR {by_scope}))
    """


_DECIDED = "decision.undone_at IS NULL AND decision.data_provider = statement.provider"
_BLOCKED = """
    EXISTS (SELECT FROM decision WHERE decision.undone_at IS NULL
            AND decision.decided <> 'consented'
            AND (decision.concept_uri IS NULL OR decision.concept_uri = statement.concept_uri)
            AND (decision.data_provider IS NULL OR decision.data_provider = statement.provider))
"""
_CONSENTED = f"EXISTS (SELECT FROM decision WHERE {_DECIDED} AND decision.decided = 'consented')"
_CONFIRMATION_ENDED = _is_ended(
    "statement.confirmed_at",
    by_scope="""withdrawal.confirmed_too AND (withdrawal.model_id = statement.model_id
                OR withdrawal.job_id = statement.job_id
                OR withdrawal.audit_id = ANY(statement.audits))""",
)
_CERTIFICATE_ENDED = _is_ended(
    "statement.certified_at", by_scope="withdrawal.job_id = statement.job_id"
)

OBSTACLE = f"""
    CASE WHEN {_BLOCKED} THEN 'blocked'
         WHEN NOT {_CONSENTED} THEN 'no_consent'
         WHEN statement.verdict IN ('wrong', 'too_general', 'disputed') THEN 'judged'
         WHEN statement.verdict = 'right' AND NOT {_CONFIRMATION_ENDED} THEN NULL
         WHEN statement.certified_at IS NOT NULL AND NOT {_CERTIFICATE_ENDED} THEN NULL
         WHEN statement.verdict = 'right' OR statement.certified_at IS NOT NULL THEN 'withdrawn'
         ELSE 'no_grounds' END
"""
"""SQL of the obstacle to a `statement`, null if it has grounds.

`statement` has the columns of `statements_of`.
"""


def statements_of(condition: str, *, verdicts: str = "true") -> str:
    """A query of what counts for or against publications.

    Its columns: record_id, concept_uri, audits, model_id, job_id, provider, verdict,
    confirmed_at, certified_at.

    Args:
        condition: SQL on the rows of `publication`.
        verdicts: SQL on the rows of `STANDING_VERDICTS`. If it names one record, not all verdicts
            are read.
    """
    return f"""
        SELECT publication.record_id, publication.concept_uri, publication.audits,
               publication.model_id, publication.job_id, {PROVIDER} AS provider,
               standing.verdict, standing.confirmed_at, certified.certified_at
        FROM publication
        JOIN publication_plan ON publication_plan.id = publication.plan_id
        JOIN record ON record.id = publication.record_id
        LEFT JOIN (SELECT * FROM ({STANDING_VERDICTS}) AS each_one WHERE {verdicts}) AS standing
               ON standing.record_id = publication.record_id
              AND standing.concept_uri = publication.concept_uri
        LEFT JOIN LATERAL (
            SELECT max(live.ended_at) AS certified_at
            FROM ({LIVE_AUDITS}) AS live
            JOIN enrichment ON enrichment.model_id = live.model_id
             AND enrichment.record_id = publication.record_id
             AND enrichment.concept_uri = publication.concept_uri
            WHERE live.id = ANY(publication.audits)
              AND live.precision >= publication_plan.precision
        ) AS certified ON true
        WHERE {condition}
    """


def words_of(obstacles: dict[str, Any]) -> list[tuple[str, int]]:
    """The obstacles of a plan in words with their numbers, in the order of `Obstacle`."""
    return [(each.words, int(obstacles[each])) for each in Obstacle if obstacles.get(each)]
