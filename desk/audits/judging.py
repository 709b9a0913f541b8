"""Judging an audit: its drawn rows for a reviewer, and its progress.

A reviewer sees neither the model's confidence nor the verdicts of others. While an audit is open,
people see only how many rows are judged, not how many are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.errors import UsageError
from common.store.tables import AuditState, VerdictKind
from common.store.tables.vocabularies import label_sql
from common.vocabulary.languages import READER

JUDGED = """
    SELECT count(*) FROM audit_draw AS drawn WHERE drawn.audit_id = audit.id AND EXISTS (
        SELECT 1 FROM verdict
        WHERE verdict.audit_id = drawn.audit_id AND verdict.record_id = drawn.record_id
          AND verdict.concept_uri = drawn.concept_uri AND verdict.withdrawn_at IS NULL)
"""
"""The SQL for the number of drawn rows of an `audit` that have a verdict."""


@dataclass(frozen=True, kw_only=True)
class DrawnRow:
    """A row to judge, without the confidence. `place` is its place in the order of drawing, from 1.

    `image_url` is the address of the picture that the model saw. `said` is this reviewer's verdict
    and `verdict_id` its ID. `instead` is the label of another concept and `instead_uri` its URI.
    """

    place: int
    record_id: str
    concept_uri: str
    label: str
    image_url: str
    title: str | None
    rights: str | None
    data_provider: str | None
    said: VerdictKind | None
    verdict_id: UUID | None
    instead_uri: str | None
    instead: str | None


_DRAWN = text(f"""
    SELECT drawn.place, drawn.record_id, drawn.concept_uri,
           {label_sql("model.vocabulary_id", "drawn.concept_uri")} AS label, drawn.image_url,
           record.title, record.rights, record.data_provider, verdict.said,
           verdict.id AS verdict_id, verdict.instead_uri,
           {label_sql("model.vocabulary_id", "verdict.instead_uri")} AS instead
    FROM audit_draw AS drawn
    JOIN record ON record.id = drawn.record_id
    JOIN audit ON audit.id = drawn.audit_id JOIN model ON model.id = audit.model_id
    LEFT JOIN verdict ON verdict.audit_id = drawn.audit_id AND verdict.record_id = drawn.record_id
     AND verdict.concept_uri = drawn.concept_uri AND verdict.user_id = :user_id
     AND verdict.withdrawn_at IS NULL
    WHERE drawn.audit_id = :audit_id ORDER BY drawn.place
""")


def drawn_rows(engine: Engine, audit_id: int, *, user_id: int) -> list[DrawnRow]:
    """All drawn rows of an audit, for one reviewer.

    Raises:
        UsageError: there is no such audit.
    """
    asked = {"audit_id": audit_id, "user_id": user_id, "languages": list(READER.get())}
    with engine.connect() as connection:
        rows = connection.execute(_DRAWN, asked).mappings()
        drawn = [
            DrawnRow(**{**row, "said": row["said"] and VerdictKind(row["said"])}) for row in rows
        ]
    if not drawn:
        raise UsageError(f"There is no audit {audit_id}.")
    return drawn


_STAND = text(f"""
    SELECT ({JUDGED}) AS judged, (
        SELECT count(DISTINCT (record_id, concept_uri)) FROM verdict
        WHERE audit_id = audit.id AND user_id = :user_id AND withdrawn_at IS NULL) AS mine
    FROM audit WHERE id = :audit_id
""")


@dataclass(frozen=True, kw_only=True)
class AuditStand:
    """How many drawn rows of an audit have a verdict, and how many have one of this reviewer."""

    judged: int
    mine: int


def stand(connection: Connection, audit_id: int, *, user_id: int) -> AuditStand:
    """The progress of an audit, without its result.

    Raises:
        UsageError: there is no such audit.
    """
    found = connection.execute(_STAND, {"audit_id": audit_id, "user_id": user_id}).one_or_none()
    if found is None:
        raise UsageError(f"There is no audit {audit_id}.")
    return AuditStand(judged=found.judged, mine=found.mine)


# The foreign key of a verdict takes the same lock. Closing an audit waits for it.
_OPEN = text("SELECT state FROM audit WHERE id = :audit_id FOR KEY SHARE")
_STRANGERS = text("""
    SELECT asked.record_id, asked.concept_uri
    FROM unnest(CAST(:record_ids AS text[]), CAST(:concepts AS text[]))
         AS asked(record_id, concept_uri)
    WHERE NOT EXISTS (
        SELECT 1 FROM audit_draw AS drawn
        WHERE drawn.audit_id = :audit_id AND drawn.record_id = asked.record_id
          AND drawn.concept_uri = asked.concept_uri)
    LIMIT 1
""")


def check_open(connection: Connection, audit_id: int, rows: Sequence[tuple[str, str]]) -> None:
    """Keep an audit open until the transaction ends, to write verdicts on these rows.

    Args:
        rows: record IDs with concept URIs.

    Raises:
        UsageError: there is no such audit, it is over, or a row was not drawn.
    """
    state = connection.execute(_OPEN, {"audit_id": audit_id}).scalar_one_or_none()
    if state is None:
        raise UsageError(f"There is no audit {audit_id}.")
    if state != AuditState.OPEN:
        raise UsageError(f"Audit {audit_id} is {state}. You cannot change its verdicts.")
    asked = {
        "audit_id": audit_id,
        "record_ids": [record_id for record_id, _ in rows],
        "concepts": [concept_uri for _, concept_uri in rows],
    }
    stranger = connection.execute(_STRANGERS, asked).one_or_none()
    if stranger is not None:
        raise UsageError(
            f"The concept {stranger.concept_uri} of {stranger.record_id} is not in the "
            f"sample of audit {audit_id}."
        )
