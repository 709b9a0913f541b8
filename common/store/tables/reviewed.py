"""What people say of suggestions, what they decide, and what audits prove of them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, SmallInteger, func, text
from sqlalchemy.orm import Mapped, mapped_column

from common.store.tables.base import Base, one_of


class VerdictKind(StrEnum):
    """What a reviewer says of a concept suggested for a record."""

    RIGHT = "right"
    WRONG = "wrong"
    TOO_GENERAL = "too_general"
    CANNOT_TELL = "cannot_tell"


class Verdict(Base):
    """What a reviewer said of a concept of a record; `instead_uri` is what it shows instead.

    The browser makes the `id`, so that a verdict that is sent twice is one. A reviewer has one
    standing verdict on a concept of a record; one who thinks again withdraws it. `model_id` is who
    suggested the concept, null where a person named it first. Verdicts of an audit stand apart from
    all others (`audit_id`).
    """

    __tablename__ = "verdict"
    __table_args__ = (
        one_of("said", *VerdictKind),
        CheckConstraint(
            "instead_uri IS NULL OR said IN ('wrong', 'too_general')", name="instead_of_what"
        ),
        CheckConstraint("instead_uri <> concept_uri", name="instead_differs"),
        Index(
            "uq_verdict_standing",
            *("record_id", "concept_uri", "user_id", "audit_id"),
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_verdict_judged_at", "judged_at"),
        Index(
            "ix_verdict_shown",
            *(text("coalesce(instead_uri, concept_uri)"), "judged_at"),
            postgresql_where=text(
                "withdrawn_at IS NULL AND (said = 'right' OR instead_uri IS NOT NULL)"
            ),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    record_id: Mapped[str] = mapped_column(ForeignKey("record.id"))
    concept_uri: Mapped[str] = mapped_column(ForeignKey("concept.uri"))
    said: Mapped[str]
    instead_uri: Mapped[str | None] = mapped_column(ForeignKey("concept.uri"))
    model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("desk_user.id"))
    audit_id: Mapped[int | None] = mapped_column(ForeignKey("audit.id"), index=True)
    judged_at: Mapped[datetime] = mapped_column(server_default=func.now())
    withdrawn_at: Mapped[datetime | None]


class Decided(StrEnum):
    """What was decided: a concept is not to be written, or what a data provider wants."""

    BLOCKED = "blocked"
    REFUSED = "refused"
    CONSENTED = "consented"


class Decision(Base):
    """A concept that is blocked, for all or for a data provider; or a provider's word on all.

    It holds until it is undone.
    """

    __tablename__ = "decision"
    __table_args__ = (
        one_of("decided", *Decided),
        CheckConstraint("(decided = 'blocked') = (concept_uri IS NOT NULL)", name="block_has_uri"),
        CheckConstraint("decided = 'blocked' OR data_provider IS NOT NULL", name="word_of_whom"),
        CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name="undone_by_whom"),
        Index(
            "uq_decision_standing",
            *("data_provider", "concept_uri"),
            unique=True,
            postgresql_where=text("undone_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    decided: Mapped[str]
    data_provider: Mapped[str | None]
    concept_uri: Mapped[str | None] = mapped_column(ForeignKey("concept.uri"))
    reason: Mapped[str]
    decided_by: Mapped[int] = mapped_column(ForeignKey("desk_user.id"))
    decided_at: Mapped[datetime] = mapped_column(server_default=func.now())
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("desk_user.id"))
    undone_at: Mapped[datetime | None]


class AuditState(StrEnum):
    """Where an audit stands; an abandoned one proves nothing, but has spent its error."""

    OPEN = "open"
    CLOSED = "closed"
    ABANDONED = "abandoned"


class Audit(Base):
    """A random sample of frozen enrichments, and the lower bound that it proves.

    The enrichments are those of a model, narrowed to a data provider and a concept if these are
    named: `rows` of them, listed in `audit_block`, of which `sample` were drawn. `thresholds` are
    the model's at that moment. `attempt` counts the audits of the same enrichments, and `error` is
    what this one may spend. `right_ones` and the bound `precision` come when it is closed. An audit
    whose model was retired is withdrawn: its certificate says so.
    """

    __tablename__ = "audit"
    __table_args__ = (
        one_of("state", *AuditState),
        CheckConstraint("sample BETWEEN 1 AND rows", name="sample_of_rows"),
        CheckConstraint("attempt > 0", name="attempt_positive"),
        CheckConstraint("error > 0 AND error < 1", name="error_is_probability"),
        CheckConstraint(
            "(state = 'closed') = (right_ones IS NOT NULL AND precision IS NOT NULL)",
            name="closed_has_result",
        ),
        CheckConstraint("right_ones BETWEEN 0 AND sample", name="right_ones_of_sample"),
        CheckConstraint("precision BETWEEN 0 AND 1", name="precision_is_share"),
        CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended_has_time"),
        CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_because IS NULL)", name="withdrawn_has_reason"
        ),
        Index("ix_audit_population", "model_id", "data_provider", "concept_uri"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    state: Mapped[str] = mapped_column(server_default=AuditState.OPEN)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    data_provider: Mapped[str | None]
    concept_uri: Mapped[str | None] = mapped_column(ForeignKey("concept.uri"))
    thresholds: Mapped[dict[str, Any]]
    rows: Mapped[int]
    sample: Mapped[int]
    attempt: Mapped[int] = mapped_column(SmallInteger)
    error: Mapped[float]
    drawn_by: Mapped[int] = mapped_column(ForeignKey("desk_user.id"))
    drawn_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    right_ones: Mapped[int | None]
    precision: Mapped[float | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_because: Mapped[str | None]


class AuditBlock(Base):
    __tablename__ = "audit_block"

    audit_id: Mapped[int] = mapped_column(ForeignKey("audit.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    concept_uri: Mapped[str] = mapped_column(ForeignKey("concept.uri"))
    record_ids: Mapped[list[str]]


class AuditDraw(Base):
    """An enrichment that was drawn, in the order of drawing, with the picture that it is about."""

    __tablename__ = "audit_draw"

    audit_id: Mapped[int] = mapped_column(ForeignKey("audit.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    record_id: Mapped[str] = mapped_column(ForeignKey("record.id"))
    concept_uri: Mapped[str] = mapped_column(ForeignKey("concept.uri"))
    image_url: Mapped[str]
