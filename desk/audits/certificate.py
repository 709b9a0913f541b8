"""Certificates: what a closed audit proves, in a sentence and as JSON.

`docs/reference/certificates.md` documents the JSON. Each request makes the certificate again from
the frozen rows. A certificate stays for ever. If its model is retired, it is marked as withdrawn.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from common.errors import UsageError
from common.store.model_names import ModelName
from common.store.tables import AuditState, VerdictKind
from common.store.tables.vocabularies import label_sql
from common.store.teaching.certificates import AUDIT_CONFIDENCE, rounded_down, sentence_of

FORM = 1  # of the JSON
ROWS_AT_ONCE = 5_000  # from the server's cursor


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a closed audit proves about the enrichments that were frozen when it was drawn.

    `label` is the concept's. `rows_sha256` is a hash of the list of certified enrichments.
    `precision` is the lower bound; `sentence` shows it rounded down.
    """

    audit_id: int
    model: str
    version: int
    model_sha256: str
    thresholds: dict[str, Any]
    data_provider: str | None
    concept_uri: str | None
    label: str | None
    rows: int
    rows_sha256: str
    sample: int
    right_ones: int
    precision: float
    attempt: int
    error: float
    drawn_at: datetime
    drawn_by: int
    judged_by: tuple[int, ...]
    closed_at: datetime
    withdrawn_at: datetime | None
    withdrawn_because: str | None

    @property
    def title(self) -> str:
        return ModelName(self.model, self.version).title

    @property
    def sentence(self) -> str:
        return sentence_of(self)

    @property
    def withdrawal(self) -> str:
        """Since when it is no longer valid, and why; empty if it is valid."""
        if self.withdrawn_at is None:
            return ""
        return f"Withdrawn on {self.withdrawn_at:%Y-%m-%d}: {self.withdrawn_because}"

    def as_json(self) -> dict[str, Any]:
        withdrawn = self.withdrawn_at and {
            "at": self.withdrawn_at.isoformat(),
            "because": self.withdrawn_because,
        }
        return {
            "form": FORM,
            "audit": self.audit_id,
            "sentence": self.sentence,
            "model": {"name": self.model, "version": self.version, "sha256": self.model_sha256},
            "thresholds": self.thresholds,
            "data_provider": self.data_provider,
            "concept": self.concept_uri and {"uri": self.concept_uri, "label": self.label},
            "enrichments": self.rows,
            "enrichments_sha256": self.rows_sha256,
            "drawn": self.sample,
            "right": self.right_ones,
            "at_least": float(rounded_down(self.precision)),
            "confidence": AUDIT_CONFIDENCE,
            "attempt": self.attempt,
            "error": self.error,
            "drawn_at": self.drawn_at.isoformat(),
            "drawn_by": self.drawn_by,
            "judged_by": list(self.judged_by),
            "closed_at": self.closed_at.isoformat(),
            "withdrawn": withdrawn,
        }


# The verdicts at the time of closing. Later changes do not count.
_COUNTED = """verdict.audit_id = audit.id AND judged_at <= audit.ended_at
              AND (verdict.withdrawn_at IS NULL OR verdict.withdrawn_at > audit.ended_at)"""
_AUDIT = text(f"""
    SELECT audit.state, audit.id AS audit_id, model.name AS model, model.version,
           model.sha256 AS model_sha256, audit.thresholds, audit.data_provider, audit.concept_uri,
           {label_sql("model.vocabulary_id", "audit.concept_uri")} AS label,
           audit.rows, audit.sample, audit.right_ones, audit.precision,
           audit.attempt, audit.error, audit.drawn_at, audit.drawn_by, audit.ended_at AS closed_at,
           audit.withdrawn_at, audit.withdrawn_because,
           ARRAY(SELECT DISTINCT user_id FROM verdict WHERE {_COUNTED} ORDER BY 1) AS judged_by
    FROM audit JOIN model ON model.id = audit.model_id
    WHERE audit.id = :audit_id
""")
_JUDGED = text(f"""
    SELECT drawn.record_id, record.title,
           {label_sql("model.vocabulary_id", "drawn.concept_uri")} AS label, coalesce(
        (SELECT json_agg(json_build_array(user_id, said) ORDER BY user_id) FROM verdict
         WHERE {_COUNTED} AND verdict.record_id = drawn.record_id
           AND verdict.concept_uri = drawn.concept_uri), '[]') AS said
    FROM audit JOIN audit_draw AS drawn ON drawn.audit_id = audit.id
    JOIN record ON record.id = drawn.record_id
    JOIN model ON model.id = audit.model_id
    WHERE audit.id = :audit_id ORDER BY drawn.place
""")
_ROWS = text("""
    SELECT concept_uri, record_id
    FROM audit_block CROSS JOIN LATERAL unnest(record_ids) AS each(record_id)
    WHERE audit_id = :audit_id ORDER BY concept_uri COLLATE "C", record_id COLLATE "C"
""").execution_options(yield_per=ROWS_AT_ONCE)


def certificate(engine: Engine, audit_id: int) -> Certificate:
    """The certificate of a closed audit.

    Raises:
        UsageError: there is no such audit, or it is not closed.
    """
    asked = {"audit_id": audit_id, "languages": []}  # the document is the same for all readers
    with engine.connect() as connection:
        row = connection.execute(_AUDIT, asked).mappings().one_or_none()
        if row is None:
            raise UsageError(f"There is no audit {audit_id}.")
        values = dict(row)
        if (state := values.pop("state")) != AuditState.CLOSED:
            raise UsageError(f"Audit {audit_id} is {state}. Only a closed audit has a certificate.")
        digest = _digest(connection, audit_id)
    return Certificate(**{**values, "judged_by": tuple(row["judged_by"]), "rows_sha256": digest})


@dataclass(frozen=True, kw_only=True)
class JudgedRow:
    """A drawn row with the verdicts that counted: pairs of account and verdict."""

    record_id: str
    title: str | None
    label: str
    said: tuple[tuple[int, str], ...]

    @property
    def is_right(self) -> bool:
        return bool(self.said) and all(said == VerdictKind.RIGHT for _, said in self.said)


def annex(engine: Engine, audit_id: int) -> list[JudgedRow]:
    """The drawn rows of a closed audit in the order of drawing, with the verdicts that counted."""
    asked = {"audit_id": audit_id, "languages": []}
    with engine.connect() as connection:
        rows = connection.execute(_JUDGED, asked).mappings().all()
    return [JudgedRow(**{**row, "said": tuple(map(tuple, row["said"]))}) for row in rows]


def licensed_rows(connection: Connection, audit_id: int) -> Iterator[tuple[str, str]]:
    """The enrichments of an audit: concept URIs with record IDs, in the order of their bytes."""
    with connection.execute(_ROWS, {"audit_id": audit_id}) as rows:
        for row in rows:
            yield row.concept_uri, row.record_id


def _digest(connection: Connection, audit_id: int) -> str:
    """The sha256 of a line for each enrichment: concept URI, a space, record ID."""
    digest = hashlib.sha256()
    for concept_uri, record_id in licensed_rows(connection, audit_id):
        digest.update(f"{concept_uri} {record_id}\n".encode())
    return digest.hexdigest()
