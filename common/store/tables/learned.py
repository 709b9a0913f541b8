"""What was learned: trainings with the weights of their folds, and models in service."""

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
    ran the command; unknown before 0011. `retired_at`: when somebody retired it, None from when
    somebody puts it in service again.
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
