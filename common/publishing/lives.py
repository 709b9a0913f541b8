"""The life of statements, for those who ask: what stands, what was refused, and where from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from common.publishing.grounds import PROVIDER, Obstacle
from common.store.tables import PublicationState
from common.store.tables.vocabularies import label_sql
from common.vision.answers.data_providers import odd_spellings
from common.vocabulary.languages import READER

STATE_WORDS: Mapping[str, str] = {
    PublicationState.PLANNED: "planned",
    PublicationState.SENDING: "being sent",
    PublicationState.POSTED: "published",
    PublicationState.ALREADY_SAID: "already at Europeana",
    PublicationState.REFUSED: "refused",
    PublicationState.WITHDRAWING: "being withdrawn",
    PublicationState.WITHDRAWN: "withdrawn",
}
"""The states of a statement as readers know them, in the order of its life."""

_BY_STATE = text("SELECT state, count(*) AS statements FROM publication GROUP BY state")
_REFUSED = text(f"""
    SELECT publication.record_id, publication.concept_uri, publication.reason,
           {label_sql("model.vocabulary_id", "publication.concept_uri")} AS label
    FROM publication LEFT JOIN model ON model.id = publication.model_id
    WHERE plan_id = :plan_id AND state = 'refused' ORDER BY changed_at DESC LIMIT :most
""")


def statements_by_state(connection: Connection) -> dict[str, int]:
    return {row.state: row.statements for row in connection.execute(_BY_STATE)}


@dataclass(frozen=True, kw_only=True)
class RefusedStatement:
    """A statement that was not published, and why; `label` is the concept's."""

    record_id: str
    concept_uri: str
    label: str
    reason: str

    @property
    def words(self) -> str:
        return reason_in_words(self.reason)


def refused_of(connection: Connection, plan_id: int, most: int) -> list[RefusedStatement]:
    """The statements of a plan that were refused, the newest first."""
    asked = {"plan_id": plan_id, "most": most, "languages": list(READER.get())}
    return [RefusedStatement(**row) for row in connection.execute(_REFUSED, asked).mappings()]


@dataclass(frozen=True, kw_only=True)
class StatementLife:
    """A statement and what became of it; `label` is the concept's.

    `reason` is why it is refused, already said or withdrawn: an `Obstacle`, the URI of an
    annotation, or words. `because` is what the operator wrote who withdrew it.
    """

    name: UUID
    record_id: str
    title: str | None
    data_provider: str | None
    concept_uri: str
    label: str
    state: str
    confidence: float | None
    plan_id: int
    made_by: int | None
    made_at: datetime
    posted_at: datetime | None
    annotation: str | None
    reason: str | None
    because: str | None
    changed_at: datetime

    @property
    def state_words(self) -> str:
        return STATE_WORDS[self.state]

    @property
    def reason_words(self) -> str:
        return reason_in_words(self.reason)


def reason_in_words(reason: str | None) -> str:
    """Why a statement does not stand at Europeana; empty if there is no reason."""
    return Obstacle(reason).words if reason in set(Obstacle) else reason or ""


_LIVES = f"""
    SELECT publication.name, publication.record_id, record.title,
           {PROVIDER} AS data_provider, publication.concept_uri,
           {label_sql("model.vocabulary_id", "publication.concept_uri")} AS label,
           publication.state, publication.confidence, publication.plan_id, plan.made_by,
           plan.made_at, publication.posted_at, publication.annotation, publication.reason,
           ended.reason AS because, publication.changed_at
    FROM publication JOIN publication_plan AS plan ON plan.id = publication.plan_id
    JOIN record ON record.id = publication.record_id
    LEFT JOIN model ON model.id = publication.model_id
    LEFT JOIN LATERAL (
        SELECT withdrawal.reason FROM withdrawal
        WHERE publication.reason IN ('withdrawn', 'no_grounds')
          AND withdrawal.made_at >= plan.made_at
          AND (withdrawal.concept_uri = publication.concept_uri
               OR withdrawal.data_provider = {PROVIDER}
               OR withdrawal.model_id = publication.model_id
               OR withdrawal.job_id = publication.job_id
               OR withdrawal.audit_id = ANY(publication.audits))
        ORDER BY withdrawal.id LIMIT 1
    ) AS ended ON true
"""
_PAGE = text(f"""
    {_LIVES}
    WHERE (publication.record_id, publication.concept_uri) > (:record_id, :after_uri)
      AND (CAST(:of_record AS text) IS NULL OR publication.record_id = :of_record)
      AND (CAST(:plan_id AS int) IS NULL OR publication.plan_id = :plan_id)
      AND (CAST(:state AS text) IS NULL OR publication.state = :state)
      AND (CAST(:concept_uri AS text) IS NULL OR publication.concept_uri = :concept_uri)
      AND (CAST(:data_provider AS text) IS NULL OR {PROVIDER} = :data_provider)
    ORDER BY publication.record_id, publication.concept_uri LIMIT :most
""")


@dataclass(frozen=True, kw_only=True)
class LifeFilters:
    """Which statements are listed; None is all. `data_provider` is its `provider_name`."""

    of_record: str | None = None
    state: str | None = None
    data_provider: str | None = None
    concept_uri: str | None = None
    plan_id: int | None = None


def list_lives(
    connection: Connection, filters: LifeFilters, *, after: tuple[str, str] = ("", ""), most: int
) -> list[StatementLife]:
    """Statements by record and concept.

    Args:
        after: record ID and concept URI of the last one on the page before.
    """
    asked: dict[str, Any] = {"record_id": after[0], "after_uri": after[1], "most": most}
    asked |= vars(filters) | {"languages": list(READER.get())}
    asked["odd_spellings"] = json.dumps(odd_spellings(connection))
    return [StatementLife(**row) for row in connection.execute(_PAGE, asked).mappings()]
