"""What was harvested: concepts, records, datasets of labelled records, and their pictures."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from common.store.tables.base import RECORD_ID_PATTERN, Base, one_of

PROVIDER_KEY = "left(data_provider, 500)"
"""By which records are found by their data provider: see `of_provider`."""


def of_provider(name: str) -> str:
    """The SQL condition of records whose data provider has this name, which is a parameter.

    A shorter name is its own key. Were it compared as well, Postgres would take the two for
    independent, expect a fraction of the records, and read all of them instead of the first ones.
    """
    return (
        f"({PROVIDER_KEY} = left({name}, 500) AND (length({name}) < 500 OR data_provider = {name}))"
    )


class Concept(Base):
    """A skos:Concept; `uri` in its current form.

    `label` is the category by which the store first knew it, and `named_by` the vocabulary that
    said so; neither ever changes. Datasets and models have labels of their own vocabularies.
    """

    __tablename__ = "concept"
    __table_args__ = (
        CheckConstraint("uri ~ '^https?://'", name="uri_is_http"),
        CheckConstraint(
            r"uri !~ '^https?://data\.europeana\.eu/[a-z]+/base/'", name="uri_is_current"
        ),
    )

    uri: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str]
    named_by: Mapped[int | None] = mapped_column(ForeignKey("vocabulary.id"))


class Record(Base):
    """What Europeana says of an object; `media_url` is edmIsShownBy, `preview_url` edmPreview."""

    __tablename__ = "record"
    __table_args__ = (
        CheckConstraint(f"id ~ '{RECORD_ID_PATTERN}'", name="id_form"),
        # For pages of a provider. Metadata may hold names of any length, an index may not.
        Index("ix_record_data_provider", text(PROVIDER_KEY), "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    media_url: Mapped[str | None]
    preview_url: Mapped[str | None]
    rights: Mapped[str | None]
    data_provider: Mapped[str | None]
    type: Mapped[str | None]
    title: Mapped[str | None]
    harvested_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RecordAlias(Base):
    """An ID that a record had before Europeana moved it."""

    __tablename__ = "record_alias"
    __table_args__ = (
        CheckConstraint(f"old_id ~ '{RECORD_ID_PATTERN}'", name="old_id_form"),
        CheckConstraint("old_id <> record_id", name="moved"),
    )

    old_id: Mapped[str] = mapped_column(primary_key=True)
    record_id: Mapped[str] = mapped_column(ForeignKey("record.id"), index=True)


class Dataset(Base):
    """Labelled records; `vocabulary_id` says in which vocabulary, unknown before 0021."""

    __tablename__ = "dataset"
    __table_args__ = (CheckConstraint("name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]*$'", name="name_form"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    vocabulary_id: Mapped[int | None] = mapped_column(ForeignKey("vocabulary.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DatasetItem(Base):
    """A label of a record in a dataset; several concepts for one record make it multi-label.

    `weight` says how much it counts in a training, beside the 1 of a harvested label.
    """

    __tablename__ = "dataset_item"
    __table_args__ = (
        one_of("source", "search", "csv", "verdict"),
        CheckConstraint("weight > 0 AND weight <= 1000", name="weight_positive"),
    )

    dataset_id: Mapped[int] = mapped_column(
        ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True
    )
    record_id: Mapped[str] = mapped_column(ForeignKey("record.id"), primary_key=True, index=True)
    concept_uri: Mapped[str] = mapped_column(ForeignKey("concept.uri"), primary_key=True)
    source: Mapped[str]
    weight: Mapped[float] = mapped_column(server_default="1")


class HarvestCursor(Base):
    """How far the search for a concept has come.

    `cursor` is the next page, null at the end; `taken` counts the records of the pages before it.
    Both are valid only for this `search`.
    """

    __tablename__ = "harvest_cursor"
    __table_args__ = (CheckConstraint("taken >= 0", name="taken_not_negative"),)

    dataset_id: Mapped[int] = mapped_column(
        ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True
    )
    concept_uri: Mapped[str] = mapped_column(ForeignKey("concept.uri"), primary_key=True)
    search: Mapped[dict[str, Any]]
    cursor: Mapped[str | None]
    taken: Mapped[int]


class PictureSource(StrEnum):
    MEDIA = "media"
    THUMBNAIL = "thumbnail"


class ImageState(StrEnum):
    STORED = "stored"
    FAILED = "failed"
    DEFERRED = "deferred"


class Image(Base):
    """The picture of a record, or why there is none; the file is at `path` below IMAGE_DIR.

    A deferred one is tried again from `not_before` on.
    """

    __tablename__ = "image"
    __table_args__ = (
        one_of("state", *ImageState),
        one_of("source", *PictureSource),
        CheckConstraint(
            "(state = 'stored') = (sha256 IS NOT NULL AND path IS NOT NULL AND source IS NOT NULL"
            " AND width IS NOT NULL AND height IS NOT NULL)",
            name="stored_is_whole",
        ),
        CheckConstraint("(state = 'stored') = (reason IS NULL)", name="reason_when_not_stored"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_form"),
        CheckConstraint("width > 0 AND height > 0", name="size_positive"),
        CheckConstraint("attempts > 0", name="attempts_positive"),
    )

    record_id: Mapped[str] = mapped_column(ForeignKey("record.id"), primary_key=True)
    state: Mapped[str]
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    sha256: Mapped[str | None] = mapped_column(index=True)
    path: Mapped[str | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    source: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    not_before: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    fetched_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Judgement(StrEnum):
    PLACEHOLDER = "placeholder"
    PICTURE = "picture"


class PictureJudgement(Base):
    """Whether pictures of these bytes stand in for missing ones, by count or by a person's word."""

    __tablename__ = "picture_verdict"
    __table_args__ = (
        one_of("verdict", *Judgement),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_form"),
    )

    sha256: Mapped[str] = mapped_column(primary_key=True)
    verdict: Mapped[str]
    judged_at: Mapped[datetime] = mapped_column(server_default=func.now())


class HostShare(Base):
    """A process's share of an image host until `lease_until`; see common/fetch/shared_limits.

    `slots`: its requests at a time. `pace`: the part of the full rate, 0 to 1, that the host bears
    after its complaints to this process.
    """

    __tablename__ = "host_lease"
    __table_args__ = (
        CheckConstraint("slots >= 0", name="slots_not_negative"),
        CheckConstraint("pace > 0 AND pace <= 1", name="pace_is_share"),
    )

    host: Mapped[str] = mapped_column(primary_key=True)
    process: Mapped[str] = mapped_column(primary_key=True)
    slots: Mapped[int] = mapped_column(SmallInteger)
    pace: Mapped[float]
    paused_until: Mapped[datetime]
    lease_until: Mapped[datetime]
