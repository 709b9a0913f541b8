"""Whether more enrichments may come than an export has."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, text

from common.store.tables import JobState

_TO_COME = text("SELECT CAST(:time AS timestamptz) > now()")
_JOB_STATE = text("SELECT state FROM job WHERE id = :job")


def is_unfinished(engine: Engine, job: UUID) -> bool:
    """Whether records of a job may still get enrichments."""
    with engine.connect() as connection:
        state = connection.execute(_JOB_STATE, {"job": job}).scalar_one_or_none()
    return state is None or not JobState(state).is_over


def is_to_come(engine: Engine, time: datetime) -> bool:
    with engine.connect() as connection:
        found: bool = connection.execute(_TO_COME, {"time": time}).scalar_one()
    return found
