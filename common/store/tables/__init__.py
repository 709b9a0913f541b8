"""The tables of the store: Postgres is where the three services meet, and the truth.

concept, record          what was harvested
dataset, dataset_item    which records a classifier learns from, and as what
harvest_cursor           how far the search for a category has come
image                    the picture of a record, or the reason why there is none
picture_verdict          which pictures stand in for missing ones
host_lease               how much of an image host each process may ask for
training_run, checkpoint, model    what was learned, and what of it is in service
job, job_chunk, job_failure        what is to be enriched, and how far that has come (worker/ledger/chunks)
enrichment, heatmap      what came out, and where the model looked for it
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DDL,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    MetaData,
    SmallInteger,
    Table,
    Text,
    event,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.store.tables.references import REFERENCES

RECORD_ID_PATTERN = "^/[A-Za-z0-9_]+/[A-Za-z0-9_]+$"


def _one_of(column: str, *values: str) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=f"{column}_known")


class Base(DeclarativeBase):
    """Timestamps are aware, strings are text, constraints have predictable names."""

    __table__: ClassVar[Table]
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads a plain dict
        datetime: DateTime(timezone=True),
        str: Text,
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB,
    }


class Concept(Base):
    """A skos:Concept that a label stands for; `uri` in today's form."""

    __tablename__ = "concept"
    __table_args__ = (
        CheckConstraint("uri ~ '^https?://'", name="uri_is_http"),
        CheckConstraint(
            r"uri !~ '^https?://data\.europeana\.eu/[a-z]+/base/'", name="uri_is_current"
        ),
    )

    uri: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str]


class Record(Base):
    """What Europeana says of an object; `media_url` is edmIsShownBy, `preview_url` edmPreview."""

    __tablename__ = "record"
    __table_args__ = (CheckConstraint(f"id ~ '{RECORD_ID_PATTERN}'", name="id_form"),)

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
    """A named selection of labelled records."""

    __tablename__ = "dataset"
    __table_args__ = (CheckConstraint("name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]*$'", name="name_form"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DatasetItem(Base):
    """A label of a record in a dataset; several concepts for one record make it multi-label."""

    __tablename__ = "dataset_item"
    __table_args__ = (_one_of("source", "search", "csv"),)

    dataset_id: Mapped[int] = mapped_column(
        ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True
    )
    record_id: Mapped[str] = mapped_column(ForeignKey("record.id"), primary_key=True, index=True)
    concept_uri: Mapped[str] = mapped_column(ForeignKey("concept.uri"), primary_key=True)
    source: Mapped[str]


class HarvestCursor(Base):
    """How far the search for a concept has come.

    `cursor` is the page to go on with, null at the end; `taken` counts the records of the pages
    before it. Both hold only for this very `search`.
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


class Image(Base):
    """The picture of a record, or why there is none; the file lies at `path` below IMAGE_DIR.

    A deferred one is tried again from `not_before` on.
    """

    __tablename__ = "image"
    __table_args__ = (
        _one_of("state", "stored", "failed", "deferred"),
        _one_of("source", "media", "thumbnail"),
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


class PictureVerdict(Base):
    """Whether pictures of these bytes stand in for missing ones, by count or by a person's word."""

    __tablename__ = "picture_verdict"
    __table_args__ = (
        _one_of("verdict", "placeholder", "picture"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_form"),
    )

    sha256: Mapped[str] = mapped_column(primary_key=True)
    verdict: Mapped[str]
    judged_at: Mapped[datetime] = mapped_column(server_default=func.now())


class HostLease(Base):
    """What a process may ask of an image host until `lease_until`; see common/fetch/shared_limits.

    `slots` are its requests at a time; `pace` is the share of the full rate that the host bears
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


class TrainingRun(Base):
    """One cross-validation: its settings, what it was trained on, and how well it did."""

    __tablename__ = "training_run"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    config: Mapped[dict[str, Any]]
    dataset_fingerprint: Mapped[str]
    metrics: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Checkpoint(Base):
    """The weights of one fold of a training run."""

    __tablename__ = "checkpoint"
    __table_args__ = (
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_form"),
        CheckConstraint("fold >= 0", name="fold_not_negative"),
    )

    run_id: Mapped[int] = mapped_column(
        ForeignKey("training_run.id", ondelete="CASCADE"), primary_key=True
    )
    fold: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    path: Mapped[str]
    sha256: Mapped[str]
    metrics: Mapped[dict[str, Any]]


class Model(Base):
    """A promoted bundle, at `path` below MODEL_DIR; workers use the active one.

    `labels` are the concept URIs in the order of the classifier's outputs, `thresholds` map a
    concept URI to the confidence from which it is written; a concept without one is switched off.
    `picture_source` is what the pictures of the training were, unknown of models before 0004.
    """

    __tablename__ = "model"
    __table_args__ = (
        _one_of("stage", "candidate", "active", "retired"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_form"),
        CheckConstraint("version > 0", name="version_positive"),
        Index("uq_model_name_version", "name", "version", unique=True),
        Index("uq_model_active", "stage", unique=True, postgresql_where=text("stage = 'active'")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    version: Mapped[int]
    path: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
    labels: Mapped[list[str]]
    thresholds: Mapped[dict[str, Any]]
    picture_source: Mapped[str | None]
    stage: Mapped[str] = mapped_column(server_default="candidate")
    run_id: Mapped[int | None] = mapped_column(ForeignKey("training_run.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Job(Base):
    """A batch of records to enrich with one model, with heatmaps where it is to `explain`.

    `chunks` counts the chunk numbers given out; `total` is how many records it has.
    """

    __tablename__ = "job"
    __table_args__ = (
        _one_of("state", "running", "paused", "done", "cancelled"),
        _one_of("priority", "urgent", "bulk"),
        _one_of("picture", "thumbnail", "media", "auto"),
        CheckConstraint("total >= 0", name="total_not_negative"),
        CheckConstraint("chunks >= 0", name="chunks_not_negative"),
        CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('done', 'cancelled'))", name="finished_has_time"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    state: Mapped[str] = mapped_column(server_default="running")
    priority: Mapped[str] = mapped_column(server_default="bulk")
    picture: Mapped[str] = mapped_column(server_default="auto")
    explain: Mapped[bool] = mapped_column(server_default=false())
    total: Mapped[int] = mapped_column(BigInteger, server_default="0")
    chunks: Mapped[int] = mapped_column(server_default="0")
    submitter: Mapped[str | None]
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]


IS_PUT_OFF = "(retries > 0 OR waiting_since IS NOT NULL)"  # of chunks


class JobChunk(Base):
    """Up to 256 records of a job that one worker takes at a time.

    Every record of a job is in exactly one chunk. `attempt` counts claims that did not finish,
    `retries` how often the records were put off for a transient failure. `token` rises with each
    claim: whoever finishes with an older one is fenced off. `hinted_at` is when the broker was
    last told of the chunk, `waiting_since` when its records were first put off without a try,
    because their host was unavailable. The three counts are the outcomes of a chunk that was
    settled, done or dead, and add up to its records.
    """

    __tablename__ = "job_chunk"
    __table_args__ = (
        _one_of("state", "ready", "leased", "done", "dead"),
        CheckConstraint("cardinality(record_ids) BETWEEN 0 AND 256", name="record_ids_bounded"),
        CheckConstraint(
            "attempt >= 0 AND retries >= 0 AND token >= attempt", name="token_covers_attempts"
        ),
        CheckConstraint(
            "enriched >= 0 AND below_threshold >= 0 AND failed >= 0 AND "
            "(state NOT IN ('done', 'dead') OR"
            " enriched + below_threshold + failed = cardinality(record_ids))",
            name="outcomes_add_up",
        ),
        CheckConstraint(
            "(settled_at IS NOT NULL) = (state IN ('done', 'dead'))", name="settled_has_time"
        ),
        Index("ix_job_chunk_ready", "job_id", "number", postgresql_where=text("state = 'ready'")),
        Index("ix_job_chunk_hinted", "hinted_at", postgresql_where=text("state = 'ready'")),
        Index("ix_job_chunk_leased", "lease_until", postgresql_where=text("state = 'leased'")),
        Index(
            "ix_job_chunk_put_off",
            *("job_id", "not_before"),
            postgresql_where=text(f"state = 'ready' AND {IS_PUT_OFF}"),
        ),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    record_ids: Mapped[list[str]]
    state: Mapped[str] = mapped_column(server_default="ready")
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    retries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    token: Mapped[int] = mapped_column(BigInteger, server_default="0")
    lease_until: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    not_before: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    hinted_at: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    waiting_since: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    worker: Mapped[str | None]
    enriched: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    below_threshold: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    failed: Mapped[int] = mapped_column(SmallInteger, server_default="0")


class JobFailure(Base):
    """A record that a job could not enrich, and why: the outcome of that record."""

    __tablename__ = "job_failure"
    __table_args__ = (_one_of("stage", "resolve", "fetch", "decode", "classify", "worker"),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    record_id: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str] = mapped_column(server_default="")
    failed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Enrichment(Base):
    """A predicted concept of a record: once per record, concept and model.

    `job_id` is the job that found it out, `updated_at` when it last changed. What the four
    references point to is there: `references` sees to that, at less cost than foreign keys. The
    key begins with the model and is the only index: Postgres, which learns late of the rows of a
    new model, would take an index on the model alone for the quicker way to a few records.
    """

    __tablename__ = "enrichment"
    __table_args__ = (
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence_is_probability"),
        _one_of("source", "media", "thumbnail"),
    )

    model_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record_id: Mapped[str] = mapped_column(primary_key=True)
    concept_uri: Mapped[str] = mapped_column(primary_key=True)
    confidence: Mapped[float]
    source: Mapped[str]
    image_url: Mapped[str]
    job_id: Mapped[UUID]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Heatmap(Base):
    """Where the model looked for an enrichment: the SHA-256 of a file below HEATMAP_DIR.

    It shows the picture that was at `image_url`. An enrichment that was since made of another
    picture, by a job that explains nothing, has a row that is no longer about it.
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


for _statement in REFERENCES:
    event.listen(Base.metadata, "after_create", DDL(_statement.replace("%", "%%")))  # type: ignore[no-untyped-call]
