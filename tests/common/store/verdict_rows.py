"""Rows that tests of verdicts need: concepts, records, reviewers, and what they said."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import Connection, insert, text
from sqlalchemy.dialects.postgresql import insert as upsert

from common.store.tables import Concept, DeskUser, Record, Verdict

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def uri(name: str) -> str:
    """The concept of that name."""
    return f"http://data.europeana.eu/concept/{name}"


def add_people(connection: Connection, *, reviewers: int = 2) -> None:
    """Reviewers 1, 2, ..."""
    rows = [{"id": n, "name": f"r{n}", "role": "reviewer"} for n in range(1, reviewers + 1)]
    connection.execute(insert(DeskUser), rows)


def say(
    connection: Connection,
    record_id: str,
    concept: str,
    said: str = "right",
    *,
    instead: str | None = None,
    by: int = 1,
    audit_id: int | None = None,
    minute: int = 0,
    withdrawn: bool = False,
    provider: str | None = "Museum",
) -> None:
    """A verdict, with the record and the concepts that it is about."""
    for name in filter(None, (concept, instead)):
        concept_row = upsert(Concept).values(uri=uri(name), label=name)
        connection.execute(concept_row.on_conflict_do_nothing())
    record = upsert(Record).values(id=record_id, data_provider=provider)
    connection.execute(record.on_conflict_do_nothing())
    judged_at = BEGAN + timedelta(minutes=minute)
    connection.execute(
        insert(Verdict).values(
            id=uuid4(),
            record_id=record_id,
            concept_uri=uri(concept),
            said=said,
            instead_uri=instead and uri(instead),
            user_id=by,
            audit_id=audit_id,
            judged_at=judged_at,
            withdrawn_at=judged_at if withdrawn else None,
        )
    )


def add_audit(connection: Connection, state: str, *, number: int = 1) -> int:
    """An audit of a model that exists in the store only; its number."""
    connection.execute(
        text("""
            INSERT INTO model (id, name, version, path, sha256, labels, thresholds)
            VALUES (:n, 'audited', :n, 'audited-' || :n, lpad(CAST(:n AS text), 64, '0'),
                    '{}', '{}')
            ON CONFLICT DO NOTHING
        """),
        {"n": number},
    )
    audit_id: int = connection.execute(
        text("""
            INSERT INTO audit (state, model_id, thresholds, rows, sample, attempt, error, drawn_by,
                               right_ones, precision, ended_at)
            VALUES (:state, :n, '{}', 10, 5, 1, 0.025, 1,
                    CASE :state WHEN 'closed' THEN 5 END, CASE :state WHEN 'closed' THEN 0.5 END,
                    CASE WHEN :state <> 'open' THEN now() END) RETURNING id
        """),
        {"state": state, "n": number},
    ).scalar_one()
    return audit_id
