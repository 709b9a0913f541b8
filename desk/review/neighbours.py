"""JudgedState neighbours: the pictures nearest to one, among those that people judged."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from common.store.embeddings import IS_DATED
from common.store.tables import Said
from common.store.tables.seen import partition_of

MOST_JUDGED = 20_000  # the newest verdicts, that are compared


@dataclass(frozen=True, kw_only=True)
class JudgedNeighbour:
    """A judged record with the cosine of its embedding and the asked one's; concepts are labels."""

    record_id: str
    title: str | None
    similarity: float
    concept: str
    said: Said
    instead: str | None


def judged_neighbours(
    connection: Connection, encoder_id: int, record_id: str, *, count: int
) -> list[JudgedNeighbour]:
    """The records nearest to one, of those that were judged; none if it was not seen."""
    table = partition_of(encoder_id)
    statement = text(f"""
        WITH own AS (
            SELECT vector FROM picture_seen AS seen JOIN {table} AS kept USING (sha256)
            WHERE seen.record_id = :record_id AND {IS_DATED} ORDER BY seen.seen_at DESC LIMIT 1
        ), judged AS (
            SELECT record_id, concept_uri, said, instead_uri FROM verdict
            WHERE withdrawn_at IS NULL AND audit_id IS NULL AND said <> 'cannot_tell'
              AND record_id <> :record_id
            ORDER BY judged_at DESC LIMIT {MOST_JUDGED}
        ), nearest AS (
            SELECT DISTINCT ON (judged.record_id) judged.*,
                   1 - (kept.vector <=> own.vector) AS similarity
            FROM judged JOIN picture_seen AS seen ON seen.record_id = judged.record_id
            JOIN {table} AS kept ON kept.sha256 = seen.sha256 CROSS JOIN own
            ORDER BY judged.record_id, similarity DESC
        )
        SELECT nearest.record_id, left(record.title, 300) AS title, nearest.similarity,
               concept.label AS concept, nearest.said, other.label AS instead
        FROM nearest JOIN record ON record.id = nearest.record_id
        JOIN concept ON concept.uri = nearest.concept_uri
        LEFT JOIN concept AS other ON other.uri = nearest.instead_uri
        WHERE nearest.similarity = nearest.similarity AND nearest.similarity < 'NaN'
        ORDER BY nearest.similarity DESC LIMIT :count
    """)
    rows = connection.execute(statement, {"record_id": record_id, "count": count}).mappings()
    return [JudgedNeighbour(**{**row, "said": Said(row["said"])}) for row in rows]
