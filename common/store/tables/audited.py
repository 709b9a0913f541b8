"""Audits: which enrichments were to be proven, which of them were drawn, and what came out."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, SmallInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from common.store.tables.base import Base, one_of


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
