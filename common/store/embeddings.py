"""Embeddings in the store: what an encoder saw is read back, and what it sees is kept.

Vectors go in by binary COPY and come out as bytes: text would cost ten times the time. All runs
inside the caller's transaction.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import psycopg2
import psycopg2.extensions
from numpy.typing import NDArray
from psycopg2.errors import UniqueViolation
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from common.errors import StoreError
from common.store.bulk import copy_rows, driver_of
from common.store.tables import PictureSeen, PictureSource

Vector = NDArray[np.float16]
"""An embedding (dimension,)."""

_BEGIN = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)  # the form of COPY's binary files
_END = struct.pack(">h", -1)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A picture of a record that was looked at; `sha256` is that of its bytes."""

    record_id: str
    source: PictureSource
    url: str
    sha256: bytes
    seen_at: datetime


@dataclass(frozen=True, kw_only=True)
class PlaceAsked:
    """A record's place, as it is known now: what was seen at another address does not count."""

    record_id: str
    source: PictureSource
    url: str


@dataclass(frozen=True, kw_only=True)
class PicturesRead:
    """What was asked for and is kept: `places` are indexes of the question, in no order.

    `vectors` are float16 (n, dimension), and `seen_at` says when each picture was looked at.
    """

    places: list[int]
    seen_at: list[datetime]
    vectors: NDArray[np.float16]


# Another program may have written infinity, or a year that Python does not have. Such a picture
# counts as not seen, so that it is looked at again.
IS_DATED = "seen.seen_at BETWEEN '2000-01-01' AND now() + interval '1 day'"

_KEPT = text("""
    SELECT sha256, halfvec_send(vector) AS vector,
           vector_dims(vector) = (SELECT dimension FROM encoder WHERE id = :encoder_id) AS is_whole
    FROM embedding
    WHERE encoder_id = :encoder_id AND sha256 = ANY(CAST(:pictures AS bytea[]))
""")


_READ = f"""
    COPY (
        SELECT CAST(asked.place AS int4) - 1, seen.seen_at, embedding.vector
        FROM unnest(CAST(%(record_ids)s AS text[]), CAST(%(sources)s AS text[]),
                    CAST(%(urls)s AS text[]))
             WITH ORDINALITY AS asked(record_id, source, url, place)
        JOIN picture_seen AS seen USING (record_id, source, url)
        JOIN embedding
             ON embedding.encoder_id = %(encoder_id)s AND embedding.sha256 = seen.sha256
                AND vector_dims(embedding.vector) = %(dimension)s
        WHERE {IS_DATED} AND (CAST(%(max_age)s AS interval) IS NULL
           OR seen.seen_at >= now() - CAST(%(max_age)s AS interval))
    ) TO STDOUT (FORMAT BINARY)
"""
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # from which Postgres counts microseconds


def read_pictures(
    connection: Connection,
    encoder_id: int,
    asked: Sequence[PlaceAsked],
    *,
    dimension: int,
    max_age: timedelta | None = None,
) -> PicturesRead:
    """What the encoder has seen at these places, and not longer ago than `max_age`.

    The answer comes as one block of rows of one length, since millions of records are read so.
    """
    values = {
        "encoder_id": encoder_id,
        "dimension": dimension,
        "record_ids": [each.record_id for each in asked],
        "sources": [each.source.value for each in asked],
        "urls": [each.url for each in asked],
        "max_age": max_age,
    }
    driver = driver_of(connection)
    answer = BytesIO()
    try:
        with driver.cursor() as cursor:
            cursor.copy_expert(cursor.mogrify(_READ, values), answer)
    except psycopg2.Error as error:
        raise DBAPIError.instance(_READ, None, error, psycopg2.Error) from error
    block = answer.getbuffer()[len(_BEGIN) : -len(_END)]
    rows = np.frombuffer(block, dtype=_row_read(dimension))
    return PicturesRead(
        places=rows["place"].tolist(),
        seen_at=[_EPOCH + timedelta(microseconds=each) for each in rows["seen_at"].tolist()],
        vectors=rows["vector"].astype(np.float16),
    )


def _row_read(dimension: int) -> np.dtype[np.void]:
    """A row of what `_READ` gives; each field stands after its length in bytes."""
    return np.dtype(
        [
            ("fields", ">i2"),
            ("place_length", ">i4"),
            ("place", ">i4"),
            ("seen_at_length", ">i4"),
            ("seen_at", ">i8"),
            ("vector_length", ">i4"),
            ("dimension", ">i2"),
            ("unused", ">i2"),
            ("vector", ">f2", (dimension,)),
        ]
    )


def kept_vectors(
    connection: Connection, encoder_id: int, pictures: Iterable[bytes]
) -> dict[bytes, Vector]:
    """The embeddings that are kept of these pictures, each by its sha256.

    Raises:
        StoreError: one is not of the encoder's length.
    """
    asked = {"encoder_id": encoder_id, "pictures": list(pictures)}
    rows = connection.execute(_KEPT, asked).all()
    for row in rows:
        if not row.is_whole:
            raise StoreError(
                f"The embedding that encoder {encoder_id} has of the picture "
                f"{bytes(row.sha256).hex()} has a wrong length: another program wrote it. "
                f"Delete this row of the table embedding_{encoder_id}."
            )
    return {bytes(row.sha256): _vector(row.vector) for row in rows}


def keep_vectors(
    connection: Connection, encoder_id: int, vectors: Mapping[bytes, Vector]
) -> dict[bytes, Vector]:
    """Keep the embeddings of pictures, by their sha256. What is kept of a picture stays.

    Returns:
        What is kept of them that is not the same to the bit: a picture that is computed in another
        batch, or on another device, may get other last bits.

    Raises:
        IntegrityError: another transaction kept one of them first (`is_kept_meanwhile`), or a
            vector has another dimension than the encoder.
        StoreError: what is kept of one of them is not of the encoder's length.
    """
    there = kept_vectors(connection, encoder_id, vectors)
    # In the order of the key, so that transactions do not deadlock.
    new = sorted(vectors.keys() - there.keys())
    if new:
        rows = _binary_rows(encoder_id, new, np.stack([vectors[sha256] for sha256 in new]))
        _copy(connection, BytesIO(_BEGIN + rows + _END))
    return {key: kept for key, kept in there.items() if kept.tobytes() != vectors[key].tobytes()}


_COLUMNS = ("record_id", "source", "url", "sha256", "seen_at")
_THERE = text("""
    SELECT record_id, source, ctid FROM picture_seen
    WHERE record_id = ANY(CAST(:record_ids AS text[])) ORDER BY record_id, source FOR UPDATE
""")
_SEE_AGAIN = text(f"""
    UPDATE picture_seen AS seen SET url = said.url, sha256 = said.sha256, seen_at = said.seen_at
    FROM unnest(CAST(:places AS tid[]), CAST(:urls AS text[]), CAST(:pictures AS bytea[]),
                CAST(:times AS timestamptz[])) AS said(place, url, sha256, seen_at)
    WHERE seen.ctid = said.place AND (said.seen_at >= seen.seen_at OR NOT {IS_DATED})
""")


def save_seen(connection: Connection, seen: Iterable[Seen]) -> None:
    """Say which picture was last seen at each place of a record; who saw it earlier says nothing.

    Most places are new, and COPY writes them; rows that are there are locked in the order of their
    key, so that transactions over the same records do not deadlock.

    Raises:
        IntegrityError: another transaction wrote one of them first (`is_kept_meanwhile`).
    """
    said = {(each.record_id, each.source.value): each for each in seen}
    asked = {"record_ids": sorted({record_id for record_id, _ in said})}
    rows = connection.execute(_THERE, asked) if said else ()
    there = {(row.record_id, row.source): row.ctid for row in rows}
    if again := {there[key]: said[key] for key in said.keys() & there.keys()}:
        changes = {
            "places": list(again),
            "urls": [each.url for each in again.values()],
            "pictures": [each.sha256 for each in again.values()],
            "times": [each.seen_at for each in again.values()],
        }
        connection.execute(_SEE_AGAIN, changes)
    if new := sorted(said.keys() - there.keys()):
        rows_new = (_row(said[key]) for key in new)
        copy_rows(connection, PictureSeen.__tablename__, _COLUMNS, rows_new)


def _row(seen: Seen) -> tuple[object, ...]:
    sha256 = f"\\x{seen.sha256.hex()}"
    return (seen.record_id, seen.source.value, seen.url, sha256, seen.seen_at)


def is_kept_meanwhile(error: IntegrityError) -> bool:
    """Whether another transaction wrote the same first; the transaction is to be repeated."""
    name = error.orig.diag.constraint_name if isinstance(error.orig, UniqueViolation) else None
    is_seen = name == PictureSeen.__table__.primary_key.name
    return is_seen or (name is not None and name.startswith("embedding_"))


def _vector(sent: memoryview) -> Vector:
    """What halfvec_send gives: the dimension, two bytes of nothing, and the numbers."""
    return np.frombuffer(sent, dtype=">f2", offset=4).astype(np.float16)


def _binary_rows(encoder_id: int, pictures: Sequence[bytes], vectors: NDArray[np.float16]) -> bytes:
    """Rows of COPY: the number of fields, then each field after its length in bytes."""
    dimension = vectors.shape[1]
    row = np.dtype(
        [
            ("fields", ">i2"),
            ("encoder_length", ">i4"),
            ("encoder", ">i4"),
            ("sha256_length", ">i4"),
            ("sha256", "V32"),
            ("vector_length", ">i4"),
            ("dimension", ">i2"),
            ("unused", ">i2"),
            ("vector", ">f2", (dimension,)),
        ]
    )
    rows = np.zeros(len(pictures), dtype=row)
    rows["fields"] = 3
    rows["encoder_length"], rows["encoder"] = 4, encoder_id
    rows["sha256_length"] = 32
    rows["sha256"] = np.frombuffer(b"".join(pictures), dtype="V32")
    rows["vector_length"], rows["dimension"] = 4 + 2 * dimension, dimension
    rows["vector"] = vectors
    return rows.tobytes()


def _copy(connection: Connection, rows: BytesIO) -> None:
    statement = "COPY embedding (encoder_id, sha256, vector) FROM STDIN (FORMAT BINARY)"
    driver = driver_of(connection)
    try:
        with driver.cursor() as cursor:
            cursor.copy_expert(statement, rows)
    except psycopg2.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg2.Error) from error
