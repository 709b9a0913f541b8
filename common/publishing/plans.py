"""Plans: which statements are to be published, and why the others are not.

A plan takes the statements that have grounds and are not published yet, also those of an earlier
plan that was not sent. Then Europeana is asked what it says already (`publisher/said.py`), and the
plan may be sent as it is.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.errors import UsageError
from common.publishing.grounds import LIVE_AUDITS, OBSTACLE, PROVIDER, Obstacle
from common.store.signals import AdvisoryLock
from common.store.tables.vocabularies import label_sql
from common.store.teaching.standing_verdicts import STANDING_VERDICTS
from common.vision.answers.data_providers import odd_spellings
from common.vocabulary.languages import READER

PRECISION = 0.95  # that a certificate must prove, if none is asked for

_CANDIDATES = f"""
    CREATE TEMPORARY TABLE candidate ON COMMIT DROP AS
    WITH certified AS (
        SELECT found.record_id, found.concept_uri, array_agg(live.id) AS audits,
               max(live.ended_at) AS certified_at,
               (array_agg(found.model_id ORDER BY found.confidence DESC))[1] AS model_id,
               (array_agg(found.job_id ORDER BY found.confidence DESC))[1] AS job_id,
               max(found.confidence) AS confidence
        FROM ({LIVE_AUDITS}) AS live
        JOIN audit_block ON audit_block.audit_id = live.id
        CROSS JOIN LATERAL unnest(audit_block.record_ids) AS frozen(record_id)
        JOIN enrichment AS found ON found.model_id = live.model_id
         AND found.record_id = frozen.record_id AND found.concept_uri = audit_block.concept_uri
        WHERE live.precision >= :precision
        GROUP BY found.record_id, found.concept_uri
    ), standing AS MATERIALIZED ({STANDING_VERDICTS}), confirmed AS (
        SELECT standing.record_id, standing.concept_uri, best.*
        FROM standing LEFT JOIN LATERAL (
            SELECT enrichment.model_id, enrichment.job_id, enrichment.confidence
            FROM model JOIN enrichment ON enrichment.model_id = model.id
             AND enrichment.record_id = standing.record_id
             AND enrichment.concept_uri = standing.concept_uri
            ORDER BY enrichment.confidence DESC LIMIT 1
        ) AS best ON true
        WHERE standing.verdict <> 'cannot_tell'
    ), statement AS (
        SELECT record_id, concept_uri, coalesce(certified.audits, '{{}}') AS audits,
               coalesce(certified.model_id, confirmed.model_id) AS model_id,
               coalesce(certified.job_id, confirmed.job_id) AS job_id,
               coalesce(certified.confidence, confirmed.confidence) AS confidence,
               certified.certified_at, standing.verdict, standing.confirmed_at,
               {PROVIDER} AS provider
        FROM certified FULL JOIN confirmed USING (record_id, concept_uri)
        LEFT JOIN standing USING (record_id, concept_uri)
        JOIN record ON record.id = record_id
    )
    SELECT statement.*, {OBSTACLE} AS obstacle FROM statement
    WHERE (CAST(:data_provider AS text) IS NULL OR provider = :data_provider)
      AND (CAST(:concept_uri AS text) IS NULL OR concept_uri = :concept_uri)
"""
_TAKEN = text("""
    UPDATE candidate SET obstacle =
        CASE WHEN state IN ('already_said', 'refused') THEN state ELSE 'published' END
    FROM publication JOIN publication_plan ON publication_plan.id = plan_id
    WHERE candidate.obstacle IS NULL AND publication.record_id = candidate.record_id
      AND publication.concept_uri = candidate.concept_uri
      AND (state IN ('sending', 'posted', 'withdrawing')
           OR state = 'planned' AND asked_at IS NOT NULL
           OR NOT :again AND (state = 'already_said'
                              OR state = 'refused' AND reason NOT IN ('blocked', 'no_consent',
                                  'judged', 'withdrawn', 'no_grounds')))
""")
_COUNTS = text("""
    SELECT obstacle, count(*) AS statements FROM candidate
    WHERE obstacle IS NOT NULL GROUP BY obstacle
""")
_ENRICHMENTS = """
    SELECT count(*) FROM enrichment {joined}
    WHERE CAST(:concept_uri AS text) IS NULL OR enrichment.concept_uri = :concept_uri
"""
_OF_PROVIDER = f"JOIN record ON record.id = enrichment.record_id AND {PROVIDER} = :data_provider"
_AUDITS = text("""
    SELECT coalesce(array_agg(DISTINCT audit ORDER BY audit), '{}')
    FROM candidate CROSS JOIN LATERAL unnest(audits) AS audit WHERE obstacle IS NULL
""")
_ADD = text("""
    INSERT INTO publication_plan (precision, data_provider, concept_uri, counts, audits, made_by)
    VALUES (:precision, :data_provider, :concept_uri, '{}', :audits, :user_id) RETURNING id
""")
_TAKE = text("""
    INSERT INTO publication (record_id, concept_uri, plan_id, audits, model_id, job_id, confidence)
    SELECT record_id, concept_uri, :plan_id, audits, model_id, job_id, confidence
    FROM candidate WHERE obstacle IS NULL ORDER BY record_id, concept_uri LIMIT :most
    ON CONFLICT (record_id, concept_uri) DO UPDATE SET
        state = 'planned', plan_id = excluded.plan_id, name = gen_random_uuid(),
        audits = excluded.audits, model_id = excluded.model_id, job_id = excluded.job_id,
        confidence = excluded.confidence, due_at = now(), token = publication.token + 1,
        annotation = NULL, sent_at = NULL, posted_at = NULL, reason = NULL, changed_at = now()
    WHERE publication.state IN ('already_said', 'refused', 'withdrawn')
       OR publication.state = 'planned' AND publication.plan_id IN (
            SELECT id FROM publication_plan WHERE asked_at IS NULL)
""")
_COUNTED = text("UPDATE publication_plan SET counts = CAST(:counts AS jsonb) WHERE id = :plan_id")


def make_plan(
    engine: Engine,
    *,
    precision: float = PRECISION,
    data_provider: str | None = None,
    concept_uri: str | None = None,
    again: bool = False,
    most: int | None = None,
    user_id: int | None = None,
) -> int:
    """Choose what to publish; returns the number of the plan.

    Args:
        precision: what a certificate must prove at least, 0 to 1.
        data_provider: only its records, by its `provider_name`.
        again: also what Europeana refused, or said already, when it was last asked.
        most: at most this many statements.

    Raises:
        UsageError: no statement may go, or the precision is no share.
    """
    if not 0 < precision <= 1:
        raise UsageError(
            f"The precision {precision:g} is not between 0 and 1. Give a share such as 0.95."
        )
    asked: dict[str, Any] = {"precision": precision, "data_provider": data_provider}
    asked |= {"concept_uri": concept_uri}
    asked |= {"again": again, "most": most}
    with engine.begin() as connection:
        asked["odd_spellings"] = json.dumps(odd_spellings(connection))
        connection.execute(text(AdvisoryLock.PLANS.take))
        connection.execute(text(_CANDIDATES), asked)
        connection.execute(text("ANALYZE candidate"))
        connection.execute(_TAKEN, asked)
        counts = {row.obstacle: row.statements for row in connection.execute(_COUNTS)}
        audits = connection.execute(_AUDITS).scalar_one()
        joined = "" if data_provider is None else _OF_PROVIDER
        counts["enrichments"] = connection.execute(
            text(_ENRICHMENTS.format(joined=joined)), asked
        ).scalar_one()
        plan_id: int = connection.execute(
            _ADD, asked | {"audits": audits, "user_id": user_id}
        ).scalar_one()
        counts["go"] = connection.execute(_TAKE, asked | {"plan_id": plan_id}).rowcount
        if not counts["go"]:
            raise UsageError(_why_empty(counts))
        connection.execute(_COUNTED, {"plan_id": plan_id, "counts": json.dumps(counts)})
    return plan_id


def _why_empty(counts: dict[str, int]) -> str:
    reasons = [f"{counts[each]:,}: {each.words}" for each in Obstacle if counts.get(each)]
    if not reasons:
        return (
            "There is nothing to publish: no reviewer has confirmed a statement, and no audit "
            "proves the precision. Confirm statements or run an audit at the desk."
        )
    return f"There is nothing to publish. {'; '.join(reasons)}."


@dataclass(frozen=True, kw_only=True)
class PlanState:
    """A plan and how far it has come: `states` has the number of its statements by state.

    `counts` are those of the moment when it was made: `go`, `enrichments` that were looked at, and
    the obstacles.
    """

    id: int
    precision: float
    data_provider: str | None
    concept_uri: str | None
    label: str | None
    counts: dict[str, int]
    audits: tuple[int, ...]
    made_by: int | None
    made_at: datetime
    checked_at: datetime | None
    asked_at: datetime | None
    states: dict[str, int]

    @property
    def left(self) -> int:
        """How many statements are still to be sent."""
        return self.states.get("planned", 0) + self.states.get("sending", 0)


_PLANS = f"""
    SELECT plan.id, plan.precision, plan.data_provider, plan.concept_uri,
           {label_sql("NULL", "plan.concept_uri")} AS label, plan.counts, plan.audits,
           plan.made_by, plan.made_at, plan.checked_at, plan.asked_at,
           (SELECT coalesce(jsonb_object_agg(state, statements), '{{}}') FROM (
                SELECT state, count(*) AS statements FROM publication
                WHERE publication.plan_id = plan.id GROUP BY state) AS counted) AS states
    FROM publication_plan AS plan
"""
_ONE = text(f"{_PLANS} WHERE plan.id = :plan_id")
_NEWEST = text(f"{_PLANS} ORDER BY plan.id DESC LIMIT :most")


def read_plan(connection: Connection, plan_id: int) -> PlanState:
    """A plan.

    Raises:
        UsageError: there is no such plan.
    """
    asked = {"plan_id": plan_id, "languages": list(READER.get())}
    row = connection.execute(_ONE, asked).mappings().one_or_none()
    if row is None:
        raise UsageError(f"There is no plan {plan_id}. List plans: publisher status")
    return PlanState(**{**row, "audits": tuple(row["audits"])})


def newest_plans(connection: Connection, most: int) -> list[PlanState]:
    rows = connection.execute(_NEWEST, {"most": most, "languages": list(READER.get())}).mappings()
    return [PlanState(**{**row, "audits": tuple(row["audits"])}) for row in rows]


_ASK = text("""
    UPDATE publication_plan SET asked_at = coalesce(asked_at, now()),
           asked_by = coalesce(asked_by, :user_id)
    WHERE id = :plan_id
""")


def ask_for(engine: Engine, plan_id: int, *, user_id: int | None = None) -> PlanState:
    """Let a plan be sent from now on; asking twice is asking once.

    Raises:
        UsageError: there is no such plan, or another plan has taken all of its statements.
    """
    with engine.begin() as connection:
        connection.execute(_ASK, {"plan_id": plan_id, "user_id": user_id})
        plan = read_plan(connection, plan_id)
        if not plan.states:
            raise UsageError(
                f"Plan {plan_id} has no statements: a later plan has all of them. "
                "List plans: publisher status"
            )
    return plan


@dataclass(frozen=True, kw_only=True)
class PlannedStatement:
    """A statement of a plan, to look at; `label` is the concept's."""

    record_id: str
    title: str | None
    concept_uri: str
    label: str
    confidence: float | None
    name: UUID


_SAMPLE = text(f"""
    SELECT publication.record_id, record.title, publication.concept_uri,
           {label_sql("model.vocabulary_id", "publication.concept_uri")} AS label,
           publication.confidence, publication.name
    FROM (SELECT * FROM publication WHERE plan_id = :plan_id AND state = 'planned'
          ORDER BY name LIMIT :most) AS publication
    JOIN record ON record.id = publication.record_id
    LEFT JOIN model ON model.id = publication.model_id ORDER BY publication.name
""")


def sample_of(connection: Connection, plan_id: int, most: int) -> list[PlannedStatement]:
    """Some statements of a plan, drawn at random, always the same ones."""
    asked: dict[str, Any] = {"plan_id": plan_id, "most": most, "languages": list(READER.get())}
    return [PlannedStatement(**row) for row in connection.execute(_SAMPLE, asked).mappings()]


_TO_CHECK = text("SELECT id FROM publication_plan WHERE checked_at IS NULL ORDER BY id")
_TO_SEND = text("""
    SELECT id FROM publication_plan AS plan
    WHERE asked_at IS NOT NULL AND checked_at IS NOT NULL
      AND EXISTS (SELECT FROM publication
                  WHERE plan_id = plan.id AND state IN ('planned', 'sending'))
    ORDER BY asked_at
""")


def plans_to_check(connection: Connection) -> list[int]:
    return list(connection.execute(_TO_CHECK).scalars())


def plans_to_send(connection: Connection) -> list[int]:
    return list(connection.execute(_TO_SEND).scalars())
