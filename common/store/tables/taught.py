"""Which models serve whom, and heads that are fitted again to what curators said."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.store.tables.base import Base


class ModelService(Base):
    """A model in service: for all records, or for those of a data provider.

    A provider's model goes before the one for all. The service that ended last is the one to go
    back to.
    """

    __tablename__ = "service"
    __table_args__ = (
        Index(
            "uq_service_standing",
            "data_provider",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    data_provider: Mapped[str | None]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), index=True)
    began_by: Mapped[int | None] = mapped_column(ForeignKey("desk_user.id"))
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class Refit(Base):
    """A wish to fit a model's heads again, with what curators said of a data provider's pictures.

    A teacher works on it until `lease_until`, which it renews; `lease_token` counts the claims.
    `job_id` is the job whose suggestions are then renewed, by `renewal_id`. `result` has the weight
    of the old labels, accuracies before and after, also by concept, the curve, and the judged
    records whose prediction changed; or `problem` says why there is none.
    """

    __tablename__ = "refit"
    __table_args__ = (
        CheckConstraint(
            "(ended_at IS NOT NULL) = (problem IS NOT NULL OR result IS NOT NULL)",
            name="ended_has_outcome",
        ),
        Index("ix_refit_waiting", "id", postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    data_provider: Mapped[str]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("job.id", ondelete="SET NULL"))
    asked_by: Mapped[int | None] = mapped_column(ForeignKey("desk_user.id"))
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lease_until: Mapped[datetime | None]
    lease_token: Mapped[int] = mapped_column(server_default="0")
    ended_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    problem: Mapped[str | None]
    taught_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))
    renewal_id: Mapped[UUID | None] = mapped_column(ForeignKey("job.id", ondelete="SET NULL"))
