"""What is published at Europeana: plans, publications, withdrawals, and the rate of requests.

A publication is a concept of a record, with its annotation at Europeana. `publisher/ledger` has its
states and `common/publishing` the rules.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    func,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from common.store.tables.base import Base, one_of


class PublicationState(StrEnum):
    """Where a publication stands; `publisher/ledger/publications.py` has the transitions."""

    PLANNED = "planned"
    SENDING = "sending"
    POSTED = "posted"
    ALREADY_SAID = "already_said"
    REFUSED = "refused"
    WITHDRAWING = "withdrawing"
    WITHDRAWN = "withdrawn"


class PublicationPlan(Base):
    """A choice of publications that is sent as a whole.

    `precision` is the least that a certificate must prove. `counts` says how many statements go,
    and how many do not by reason; `audits` are the certificates that the plan relies on.
    `checked_at` is when Europeana was last asked what it says already, null until all were checked.
    Nothing is sent before `asked_at`.
    """

    __tablename__ = "publication_plan"
    __table_args__ = (
        CheckConstraint("precision > 0 AND precision <= 1", name="precision_is_share"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    precision: Mapped[float]
    data_provider: Mapped[str | None]
    concept_uri: Mapped[str | None] = mapped_column(ForeignKey("concept.uri"))
    counts: Mapped[dict[str, Any]]
    audits: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    made_by: Mapped[int | None] = mapped_column(ForeignKey("desk_user.id"))
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())
    checked_at: Mapped[datetime | None]
    asked_by: Mapped[int | None] = mapped_column(ForeignKey("desk_user.id"))
    asked_at: Mapped[datetime | None]


class Publication(Base):
    """A concept of a record, to be published once.

    `name` is in the annotation (`canonical`), so that ours is known from those of others.
    `audits` are those whose certificates cover it, `model_id` and `job_id` those of the
    enrichment; both are null where reviewers alone named the concept. `due_at` is when a process
    may next take the row, and `token` rises each time that one does. `sent_at` is when the last
    request began that may have written the annotation. `reason` says why it is refused, already
    said, or withdrawn.
    """

    __tablename__ = "publication"
    __table_args__ = (
        one_of("state", *PublicationState),
        CheckConstraint(
            "state NOT IN ('posted', 'withdrawing') OR annotation IS NOT NULL", name="posted_has_id"
        ),
        Index(
            "ix_publication_to_send",
            *("plan_id", "due_at"),
            postgresql_where=text("state IN ('planned', 'sending')"),
        ),
        Index(
            "ix_publication_to_withdraw",
            "due_at",
            postgresql_where=text("state = 'withdrawing'"),
        ),
        Index("uq_publication_name", "name", unique=True),
        Index("uq_publication_annotation", "annotation", unique=True),
    )

    record_id: Mapped[str] = mapped_column(ForeignKey("record.id"), primary_key=True)
    concept_uri: Mapped[str] = mapped_column(ForeignKey("concept.uri"), primary_key=True)
    state: Mapped[str] = mapped_column(server_default=PublicationState.PLANNED)
    plan_id: Mapped[int] = mapped_column(ForeignKey("publication_plan.id"))
    name: Mapped[UUID] = mapped_column(server_default=func.gen_random_uuid())
    audits: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))
    job_id: Mapped[UUID | None]
    confidence: Mapped[float | None]
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    token: Mapped[int] = mapped_column(server_default="0")
    annotation: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    posted_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Withdrawal(Base):
    """What was withdrawn: it ends all grounds of the statements that it names and that are older.

    It names a model, a job or an audit, whose certificates no longer count, or a concept or a data
    provider, of whose statements no ground counts. With `confirmed_too` a model's, a job's or an
    audit's statements lose also the verdicts of reviewers.
    """

    __tablename__ = "withdrawal"
    __table_args__ = (
        CheckConstraint(
            "num_nonnulls(model_id, job_id, audit_id, concept_uri, data_provider) = 1",
            name="names_one",
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))
    job_id: Mapped[UUID | None]
    audit_id: Mapped[int | None] = mapped_column(ForeignKey("audit.id"))
    concept_uri: Mapped[str | None] = mapped_column(ForeignKey("concept.uri"))
    data_provider: Mapped[str | None]
    confirmed_too: Mapped[bool]
    reason: Mapped[str]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("desk_user.id"))
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PublisherSlot(Base):
    """A request that may be under way; all publishers together have as many as requests a second.

    A slot is free from `free_at` on: a second after the answer to its last request.
    """

    __tablename__ = "publisher_slot"

    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    free_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PublisherSync(Base):
    """The one row that says up to when deletions at Europeana were read."""

    __tablename__ = "publisher_sync"
    __table_args__ = (CheckConstraint("only_row", name="one_row"),)

    only_row: Mapped[bool] = mapped_column(primary_key=True, server_default=true())
    read_until: Mapped[datetime]
