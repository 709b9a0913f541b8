"""What people say of suggestions, and what they decide."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, func, text
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
