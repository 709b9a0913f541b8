"""What was looked at: encoders, which pictures they saw, and the embeddings that are kept.

The question is asked by record, and the answer belongs to bytes. So `picture_seen` says which bytes
were at a record's address, and `embedding` what an encoder makes of these bytes. One picture under
several records is embedded once.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    DDL,
    CheckConstraint,
    Connection,
    ForeignKey,
    Identity,
    LargeBinary,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from common.store.tables.base import Base, one_of
from common.store.tables.harvested import PictureSource


class HalfVector(UserDefinedType[Any]):
    """pgvector's halfvec: numbers of 16 bits. Its values go by COPY alone (`embeddings`)."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "halfvec"


ischema_names["halfvec"] = HalfVector  # so that SQLAlchemy knows it when it reads a schema


class RegisteredEncoder(Base):
    """An encoder below MODEL_DIR: a network without a head, its preprocessing and its licence.

    `sha256` is its identity, which names its folder; see `common/vision/encoders/encoder.py`.
    """

    __tablename__ = "encoder"
    __table_args__ = (
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_form"),
        CheckConstraint("dimension BETWEEN 1 AND 4000", name="dimension_fits_a_page"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    network: Mapped[str]
    dimension: Mapped[int]
    licence: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PictureSeen(Base):
    """The picture that was last seen at one of a record's two places: the file or its thumbnail.

    There is no reference to `record`: checking it a row at a time would cost more than the row.
    """

    __tablename__ = "picture_seen"
    __table_args__ = (
        one_of("source", *PictureSource),
        CheckConstraint("length(sha256) = 32", name="sha256_form"),
    )

    record_id: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Embedding(Base):
    """What an encoder makes of a picture; each encoder has a partition of its own.

    Its columns are stored plainly. Otherwise Postgres would move them out of rows of more than
    2 kB, and read a second table for each row.
    """

    __tablename__ = "embedding"
    __table_args__ = ({"postgresql_partition_by": "LIST (encoder_id)"},)

    encoder_id: Mapped[int] = mapped_column(
        ForeignKey("encoder.id"), primary_key=True, autoincrement=False
    )
    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    vector: Mapped[Any] = mapped_column(HalfVector())


_EXTENSION = DDL("CREATE EXTENSION IF NOT EXISTS vector")  # type: ignore[no-untyped-call]
event.listen(Base.metadata, "before_create", _EXTENSION)


def partition_of(encoder_id: int) -> str:
    return f"embedding_{encoder_id:d}"


def index_of(encoder_id: int) -> str:
    """The index for similar pictures, if it was made (`worker/embeddings/indexing.py`)."""
    return f"ix_{partition_of(encoder_id)}_alike"


def add_partition(connection: Connection, encoder_id: int, dimension: int) -> None:
    """Make the table of an encoder's embeddings.

    It is attached when it is made, since CREATE TABLE ... PARTITION OF locks all readers out of the
    embeddings of all encoders.
    """
    name = partition_of(encoder_id)
    connection.execute(
        text(
            f"CREATE TABLE {name} (LIKE embedding, "
            f"CONSTRAINT ck_{name}_dimension CHECK (vector_dims(vector) = {dimension:d}))"
        )
    )
    for column in ("sha256", "vector"):
        connection.execute(text(f"ALTER TABLE {name} ALTER COLUMN {column} SET STORAGE PLAIN"))
    connection.execute(
        text(f"ALTER TABLE embedding ATTACH PARTITION {name} FOR VALUES IN ({encoder_id:d})")
    )


def drop_partition(connection: Connection, encoder_id: int) -> None:
    """Delete an encoder's embeddings, at once however many there are.

    While it waits for a reader, all later readers wait for it, whichever encoder they ask for: see
    `limit_lock_wait` in `session`.
    """
    connection.execute(text(f"DROP TABLE {partition_of(encoder_id)}"))
