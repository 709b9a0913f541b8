"""The life of statements, for those who ask: what stands, what was refused, and where from."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from common.store.tables.vocabularies import label_sql
from common.vocabulary.languages import READER

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


def refused_of(connection: Connection, plan_id: int, most: int) -> list[RefusedStatement]:
    """The statements of a plan that were refused, the newest first."""
    asked = {"plan_id": plan_id, "most": most, "languages": list(READER.get())}
    return [RefusedStatement(**row) for row in connection.execute(_REFUSED, asked).mappings()]
