"""What came out: enrichments, where the model looked for them, and which were removed again."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    DDL,
    CheckConstraint,
    ForeignKeyConstraint,
    event,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from common.store.tables.base import Base, one_of
from common.store.tables.harvested import PictureSource
from common.store.tables.triggers import COUNTING, REFERENCES, TRACING


class Enrichment(Base):
    """A predicted concept of a record: once per record, concept and model.

    `job_id` is the job that found it, `updated_at` when it last changed, `seen_at` when its picture
    was looked at (unknown before 0007). Triggers check the four
    references (`references`), at less cost than foreign keys. The key begins with the model and is
    the only index. Postgres would choose an index on the model alone for a few records of a new
    model, since its statistics come late.
    """

    __tablename__ = "enrichment"
    __table_args__ = (
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence_is_probability"),
        one_of("source", *PictureSource),
    )

    model_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record_id: Mapped[str] = mapped_column(primary_key=True)
    concept_uri: Mapped[str] = mapped_column(primary_key=True)
    confidence: Mapped[float]
    source: Mapped[str]
    image_url: Mapped[str]
    job_id: Mapped[UUID]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime | None]


class RemovedEnrichment(Base):
    """The trace of an enrichment that a later job of the model no longer predicted.

    A trigger writes it. It stays if the enrichment comes back, and refers to no other table: a
    statement must be taken back even if the record or the model is gone. There is one trace for
    each enrichment that ever was, at most.
    """

    __tablename__ = "enrichment_removed"

    model_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record_id: Mapped[str] = mapped_column(primary_key=True)
    concept_uri: Mapped[str] = mapped_column(primary_key=True)
    removed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Heatmap(Base):
    """Where the model looked for an enrichment: the SHA-256 of a file below HEATMAP_DIR.

    It shows the picture that was at `image_url`. The row is out of date if a later job without
    heatmaps made the enrichment from another picture.
    """

    __tablename__ = "heatmap"
    __table_args__ = (
        ForeignKeyConstraint(
            ["record_id", "concept_uri", "model_id"],
            ["enrichment.record_id", "enrichment.concept_uri", "enrichment.model_id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_form"),
    )

    record_id: Mapped[str] = mapped_column(primary_key=True)
    concept_uri: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(primary_key=True)
    image_url: Mapped[str]
    sha256: Mapped[str] = mapped_column(index=True)


for _statement in (*REFERENCES, *TRACING, *COUNTING):
    event.listen(Base.metadata, "after_create", DDL(_statement.replace("%", "%%")))  # type: ignore[no-untyped-call]
