"""Judged neighbours: the pictures nearest to one, among those that people judged."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from common.store.tables import Said
from desk.review.seen_pictures import seen_picture

MOST_JUDGED = 20_000  # the newest verdicts, that are compared

_NEAREST = text(f"""
    WITH judged AS (
        SELECT record_id, concept_uri, said, instead_uri, judged_at FROM verdict
        WHERE withdrawn_at IS NULL AND audit_id IS NULL AND said <> 'cannot_tell'
          AND record_id <> :record_id
        ORDER BY judged_at DESC LIMIT {MOST_JUDGED}
    ), own AS (
        SELECT picture.vector FROM {seen_picture(":record_id")}
    ), compared AS (
        SELECT DISTINCT ON (judged.record_id) judged.*,
               1 - (picture.vector <=> own.vector) AS similarity
        FROM own CROSS JOIN judged CROSS JOIN {seen_picture("judged.record_id")}
        ORDER BY judged.record_id, judged.judged_at DESC
    ), nearest AS (
        SELECT * FROM compared WHERE similarity < 'NaN' ORDER BY similarity DESC LIMIT :count
    )
    SELECT nearest.record_id, left(record.title, 300) AS title, nearest.similarity,
           concept.label AS concept, nearest.said, other.label AS instead
    FROM nearest JOIN record ON record.id = nearest.record_id
    JOIN concept ON concept.uri = nearest.concept_uri
    LEFT JOIN concept AS other ON other.uri = nearest.instead_uri
    ORDER BY nearest.similarity DESC
""")


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
    asked = {"encoder_id": encoder_id, "record_id": record_id, "count": count}
    rows = connection.execute(_NEAREST, asked).mappings()
    return [JudgedNeighbour(**{**row, "said": Said(row["said"])}) for row in rows]
