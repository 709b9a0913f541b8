"""Records whose pictures are most alike: those whose embeddings point into the same direction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from math import isnan
from typing import Any

from sqlalchemy import Connection, Engine, Row, text

from common.errors import StoreError, UsageError
from common.europeana.record_ids import parse_record_id
from common.store.embeddings import IS_DATED
from common.store.encoders import (
    KeptEmbeddings,
    StoredEncoder,
    find_encoder,
    kept_embeddings,
    stored_encoders,
)
from common.store.tables.seen import partition_of
from worker.embeddings.indexing import as_indexed

MOST_ALIKE = 1_000  # records of an answer
MOST_PICTURES = 50_000  # that are looked through for records that show them
MOST_SEARCHED = 1_000  # pictures that the index looks around
LONGEST_NAME = 300  # characters of a title or a provider; metadata may hold any number


@dataclass(frozen=True, kw_only=True)
class SimilarRecord:
    """A record with the similarity of its picture: 1 for the same, 0 for nothing in common.

    `source` and `url` say which picture that is, and `seen_at` when it was looked at. What the
    store does not know of the record is None.
    """

    record_id: str
    similarity: float
    source: str
    url: str
    seen_at: datetime
    title: str | None
    data_provider: str | None
    media_url: str | None
    preview_url: str | None


_OF_ROW = {field.name for field in fields(SimilarRecord)} - {"similarity"}


@dataclass(frozen=True, kw_only=True)
class Alike:
    """A record, and those that are most like it, the most similar first.

    `is_exact`: every embedding was compared; else an index was asked, which may miss some.
    """

    record: SimilarRecord
    found: list[SimilarRecord]
    encoder: StoredEncoder
    compared: int
    is_exact: bool


_TOLD = f"""
    seen.record_id, seen.source, seen.url, seen.seen_at, seen.sha256,
    left(record.title, {LONGEST_NAME}) AS title,
    left(record.data_provider, {LONGEST_NAME}) AS data_provider,
    record.media_url, record.preview_url
"""
_OF_RECORD = text(f"""
    SELECT {_TOLD}, CASE vector_dims(embedding.vector) WHEN :dimension
        THEN l2_norm(embedding.vector) > 0 ELSE false END AS has_direction
    FROM picture_seen AS seen LEFT JOIN record ON record.id = seen.record_id
    JOIN embedding ON embedding.encoder_id = :encoder_id AND embedding.sha256 = seen.sha256
    WHERE {IS_DATED} AND seen.record_id = (SELECT coalesce(
        (SELECT record_id FROM record_alias WHERE old_id = :record_id), :record_id))
    ORDER BY seen.source LIMIT 1
""")  # the file comes before the thumbnail
_OF_PICTURES = text(f"""
    SELECT {_TOLD} FROM (
        SELECT *, row_number() OVER (PARTITION BY sha256 ORDER BY record_id) AS place
        FROM picture_seen AS seen WHERE sha256 = ANY(CAST(:pictures AS bytea[])) AND {IS_DATED}
    ) AS seen LEFT JOIN record ON record.id = seen.record_id WHERE seen.place <= :each
""")
_ACTIVE = text("""
    SELECT encoder.name FROM model JOIN encoder ON encoder.id = model.encoder_id
    WHERE model.stage = 'active'
""")


def find_alike(
    engine: Engine,
    record_id: str,
    *,
    count: int,
    encoder: str | None = None,
    exact: bool = False,
) -> Alike:
    """The records whose pictures are most like that of a record.

    Args:
        record_id: in any accepted form.
        encoder: its name; else that of the active model, or the only one that has embeddings.
        exact: compare every embedding, also where there is an index.

    Raises:
        UsageError: there is no such encoder, the choice is not clear, or the encoder has not seen a
            picture of the record.
        StoreError: what is kept of the record's picture cannot be compared.
    """
    asked = parse_record_id(record_id)
    with engine.connect() as connection:
        chosen = _choose(connection, encoder)
        own = _own(connection, chosen.encoder, asked)
        is_exact = exact or not chosen.has_index
        found = _nearest(connection, chosen, own, count=count, is_exact=is_exact)
        if len(found) < count and not is_exact:  # the index sees no further
            is_exact = True
            found = _nearest(connection, chosen, own, count=count, is_exact=True)
    return Alike(
        record=_similar(own, 1.0),
        found=found,
        encoder=chosen.encoder,
        compared=chosen.pictures,
        is_exact=is_exact,
    )


def _own(connection: Connection, encoder: StoredEncoder, record_id: str) -> Row[Any]:
    asked = {"encoder_id": encoder.id, "dimension": encoder.dimension, "record_id": record_id}
    own = connection.execute(_OF_RECORD, asked).one_or_none()
    if own is None:
        others = [each.name for each in stored_encoders(connection) if each != encoder]
        ask = f" To use another encoder, give --encoder: {', '.join(others)}." if others else ""
        raise UsageError(
            f"The encoder {encoder.name} has not seen a picture of {record_id}.{ask} To save "
            "an embedding, enqueue the record for a model on this encoder: worker enqueue - "
            "--model NAME"
        )
    if not own.has_direction:
        raise StoreError(
            f"The embedding that {encoder.name} has of {record_id} cannot be compared: it is all "
            "zeros, or not of the encoder's length. Another program wrote it. Delete the row of "
            f"the picture {bytes(own.sha256).hex()} from the table {partition_of(encoder.id)}."
        )
    return own


def _choose(connection: Connection, name: str | None) -> KeptEmbeddings:
    if name is None:
        name = connection.scalar(_ACTIVE)
    kept = kept_embeddings(connection)
    if name is not None:
        find_encoder(connection, name)
        return next(each for each in kept if each.encoder.name == name)
    filled = [each for each in kept if each.pictures]
    if len(filled) != 1:
        names = ", ".join(each.encoder.name for each in filled) or "none"
        raise UsageError(f"Give an encoder with --encoder. Encoders with embeddings: {names}.")
    return filled[0]


def _nearest(
    connection: Connection, kept: KeptEmbeddings, own: Row[Any], *, count: int, is_exact: bool
) -> list[SimilarRecord]:
    """The records of the nearest pictures; more pictures are asked for until they are enough.

    Several records may show a picture, or none.
    """
    pictures = 2 * count + 1
    while True:
        distances = _distances(connection, kept.encoder, own, pictures=pictures, is_exact=is_exact)
        found = _records(connection, distances, own.record_id, each=count + 1)
        is_all = len(distances) < pictures or pictures >= MOST_PICTURES
        if len(found) >= count or is_all:
            return found[:count]
        pictures *= 4


def _distances(
    connection: Connection,
    encoder: StoredEncoder,
    own: Row[Any],
    *,
    pictures: int,
    is_exact: bool,
) -> dict[bytes, float]:
    """The cosine distances of the nearest pictures, by their sha256.

    Left out is what only another program can have written: vectors of another length, for which
    Postgres has no distance, and those of zeros, whose distance is no number.
    """
    table = partition_of(encoder.id)
    vector = "vector" if is_exact else as_indexed("vector", encoder.dimension)
    of_length = f"WHERE vector_dims(vector) = {encoder.dimension:d}" if is_exact else ""
    if not is_exact:
        searched = min(MOST_SEARCHED, max(100, 2 * pictures))
        connection.execute(text(f"SET LOCAL hnsw.ef_search = {searched:d}"))
    rows = connection.execute(
        text(
            f"SELECT sha256, {vector} <=> (SELECT {vector} FROM {table} WHERE sha256 = :own) "
            f"AS distance FROM {table} {of_length} ORDER BY distance LIMIT :pictures"
        ),
        {"own": own.sha256, "pictures": pictures},
    )
    return {bytes(row.sha256): row.distance for row in rows if not isnan(row.distance)}


def _records(
    connection: Connection, distances: dict[bytes, float], but: str, *, each: int
) -> list[SimilarRecord]:
    """The records that show these pictures, each once, with its nearest.

    Args:
        each: so many records of a picture, at most.
    """
    rows = connection.execute(_OF_PICTURES, {"pictures": list(distances), "each": each})
    similar = [_similar(row, 1 - distances[bytes(row.sha256)]) for row in rows]
    similar.sort(key=lambda each: (-each.similarity, each.record_id))
    return list(_once(similar, but))


def _once(similar: Sequence[SimilarRecord], but: str) -> Iterator[SimilarRecord]:
    told = {but}
    for each in similar:
        if each.record_id not in told:
            told.add(each.record_id)
            yield each


def _similar(row: Row[Any], similarity: float) -> SimilarRecord:
    known = {name: row._mapping[name] for name in _OF_ROW}
    return SimilarRecord(**known, similarity=round(similarity, 6))
