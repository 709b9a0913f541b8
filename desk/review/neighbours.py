"""Pictures that look like a given one, by their embeddings: judged ones, and ones to judge."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from common.store.embeddings import IS_DATED
from common.store.tables import VerdictKind
from common.store.tables.harvested import PROVIDER_KEY
from common.store.tables.vocabularies import label_sql
from common.vocabulary.languages import READER
from desk.review.shown_models import ShownModel


def seen_picture(record: str) -> str:
    """The SQL of a lateral query for the latest picture of a record that was seen.

    Its columns are `sha256` and `vector`, the embedding of the encoder `:encoder_id`. It has no row
    if the encoder has seen no picture of the record.

    Args:
        record: the SQL of the record's ID.
    """
    return f"""
        LATERAL (
            SELECT embedding.sha256, embedding.vector FROM picture_seen AS seen
            JOIN embedding
                 ON embedding.encoder_id = :encoder_id AND embedding.sha256 = seen.sha256
            WHERE seen.record_id = {record} AND {IS_DATED}
            ORDER BY seen.seen_at DESC LIMIT 1
        ) AS picture
    """


MOST_JUDGED = 20_000  # verdicts to compare with, the newest ones

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
           {label_sql(":vocabulary", "nearest.concept_uri")} AS concept, nearest.said,
           {label_sql(":vocabulary", "nearest.instead_uri")} AS instead
    FROM nearest JOIN record ON record.id = nearest.record_id
    ORDER BY nearest.similarity DESC
""")


@dataclass(frozen=True, kw_only=True)
class JudgedNeighbour:
    """A judged record, with the cosine of the two embeddings. Concepts are labels."""

    record_id: str
    title: str | None
    similarity: float
    concept: str
    said: VerdictKind
    instead: str | None


def judged_neighbours(
    connection: Connection, model: ShownModel, record_id: str, *, count: int
) -> list[JudgedNeighbour]:
    """The judged records that are most similar to one; empty if no encoder has seen it."""
    asked = {
        "encoder_id": model.encoder_id,
        "vocabulary": model.vocabulary_id,
        "languages": list(READER.get()),
        "record_id": record_id,
        "count": count,
    }
    rows = connection.execute(_NEAREST, asked).mappings()
    return [JudgedNeighbour(**{**row, "said": VerdictKind(row["said"])}) for row in rows]


MOST_COMPARED = 5_000  # records of the data provider to compare with
LEAST = 0.8  # cosine of the embeddings

_ALIKE = text(f"""
    WITH own AS (
        SELECT record.data_provider, picture.vector
        FROM record CROSS JOIN {seen_picture("record.id")} WHERE record.id = :record_id
    ), pool AS (
        SELECT record.id, left(record.title, 300) AS title FROM record
        WHERE {PROVIDER_KEY} = (SELECT left(data_provider, 500) FROM own)
          AND data_provider = (SELECT data_provider FROM own) AND id <> :record_id
        ORDER BY hashtext(record.id) LIMIT {MOST_COMPARED}
    ), near AS (
        SELECT pool.id AS record_id, pool.title, 1 - (picture.vector <=> own.vector) AS similarity
        FROM own CROSS JOIN pool CROSS JOIN {seen_picture("pool.id")}
    )
    SELECT near.record_id, near.title, near.similarity FROM near
    WHERE near.similarity BETWEEN {LEAST} AND 2
      AND EXISTS (SELECT FROM enrichment WHERE model_id = :model_id
                  AND record_id = near.record_id AND concept_uri = :concept)
      AND NOT EXISTS (SELECT FROM verdict WHERE record_id = near.record_id
                      AND concept_uri = :concept AND user_id = :user_id
                      AND audit_id IS NULL AND withdrawn_at IS NULL)
    ORDER BY near.similarity DESC LIMIT :count
""")


@dataclass(frozen=True, kw_only=True)
class LookAlike:
    """A record, with the cosine of the two embeddings."""

    record_id: str
    title: str | None
    similarity: float


def look_alikes(
    connection: Connection,
    record_id: str,
    *,
    encoder_id: int,
    model_id: int,
    concept: str,
    user_id: int,
    count: int,
) -> list[LookAlike]:
    """The most similar records for which the model wrote the same concept, without those that the
    reviewer has judged."""
    asked = {
        "encoder_id": encoder_id,
        "record_id": record_id,
        "model_id": model_id,
        "concept": concept,
        "user_id": user_id,
        "count": count,
    }
    return [LookAlike(**row) for row in connection.execute(_ALIKE, asked).mappings()]
