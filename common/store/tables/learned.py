"""What was learned: trainings with the weights of their folds, models, whom they serve, refits."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.store.tables.base import Base, one_of


class TrainingRun(Base):
    __tablename__ = "training_run"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    config: Mapped[dict[str, Any]]
    dataset_fingerprint: Mapped[str]
    metrics: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Checkpoint(Base):
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


class ModelStage(StrEnum):
    """Whether workers take a model for records of all; at most one is active.

    Whether a model serves says `service`, whether it is retired `retired_at`. Workers of releases
    before 0016 choose by the stage; those releases call retired what was replaced as well.
    """

    CANDIDATE = "candidate"
    ACTIVE = "active"
    RETIRED = "retired"


class PromotedModel(Base):
    """A promoted bundle, at `path` below MODEL_DIR; workers use the active one.

    `labels` are the concept URIs in the order of the classifier's outputs, `thresholds` map a
    concept URI to the confidence from which it is written; a concept without one is switched off.
    `picture_source` says what the training's pictures were; unknown for models before 0004.
    `encoder_id` is the encoder of a model that consists of heads. `promise` is that of the bundle:
    what is promised, for whom, and what the model said when that was measured; models of bundles
    before 0010 have none. `vocabulary_id` has the labels, unknown before 0021. `promoted_by` is who
    ran the command; unknown before 0011. `retired_at`: when someone retired it, None from when
    someone puts it in service again.
    """

    __tablename__ = "model"
    __table_args__ = (
        one_of("stage", *ModelStage),
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
    stage: Mapped[str] = mapped_column(server_default=ModelStage.CANDIDATE)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("training_run.id"))
    encoder_id: Mapped[int | None] = mapped_column(ForeignKey("encoder.id"))
    vocabulary_id: Mapped[int | None] = mapped_column(ForeignKey("vocabulary.id"))
    promise: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    promoted_by: Mapped[str | None]
    retired_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


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
