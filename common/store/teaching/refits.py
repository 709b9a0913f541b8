"""Refits: wishes that a teacher grants, one at a time, and what came out of each.

A teacher locks the row of a wish while it works. So the claim ends with its process, however that
ends, and another teacher takes the wish.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text, update

from common.errors import UsageError
from common.store.locks import AdvisoryLock
from common.store.model_names import ModelName
from common.store.tables import Refit


@dataclass(frozen=True, kw_only=True)
class RefitStatus:
    """A wish, and what came of it: a result, or the problem why there is none.

    `model` is the title of the model that was to be fitted again; `taught` that of the new one.
    `renewal_id` is the job that renews the suggestions of `job_id`.
    """

    id: int
    model_id: int
    model: str
    data_provider: str
    job_id: UUID | None
    asked_by: int | None
    asked_at: datetime
    ended_at: datetime | None
    result: dict[str, Any] | None
    problem: str | None
    taught_id: int | None
    taught: str | None
    renewal_id: UUID | None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, well or not."""
        return self.ended_at is not None


_STATUS = """
    SELECT refit.*, asked.name AS asked_name, asked.version AS asked_version,
           taught.name AS taught_name, taught.version AS taught_version
    FROM refit JOIN model AS asked ON asked.id = refit.model_id
    LEFT JOIN model AS taught ON taught.id = refit.taught_id
"""
_ONE = text(f"{_STATUS} WHERE refit.id = :id")
_NEWEST = text(f"{_STATUS} WHERE refit.data_provider = :data_provider ORDER BY id DESC LIMIT :most")
_NEXT = text(f"""
    {_STATUS} WHERE refit.ended_at IS NULL ORDER BY refit.id LIMIT 1 FOR UPDATE OF refit SKIP LOCKED
""")
_LOCK = text(AdvisoryLock.REFITS.take)  # else two that ask at once find no wish but their own
_WAITING = text("""
    SELECT id FROM refit
    WHERE ended_at IS NULL AND model_id = :model_id AND data_provider = :data_provider
      AND job_id IS NOT DISTINCT FROM :job_id
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_ASK = text("""
    INSERT INTO refit (model_id, data_provider, job_id, asked_by)
    VALUES (:model_id, :data_provider, :job_id, :asked_by) RETURNING id
""")
_MODEL = text("SELECT name, version, encoder_id FROM model WHERE id = :model_id")


def ask_refit(
    connection: Connection,
    *,
    model_id: int,
    data_provider: str,
    job_id: UUID | None = None,
    asked_by: int | None = None,
) -> int:
    """Wish that a model is fitted again for a data provider; the number of the wish.

    The same wish that no teacher has begun yet is that wish.

    Args:
        job_id: the job whose suggestions are then renewed.

    Raises:
        UsageError: there is no such model, or it is on no encoder.
    """
    model = connection.execute(_MODEL, {"model_id": model_id}).one_or_none()
    if model is None:
        raise UsageError(f"There is no model with number {model_id} in the store.")
    if model.encoder_id is None:
        raise UsageError(
            f"{ModelName(model.name, model.version).title} is a whole network, which cannot learn "
            "from verdicts. Train heads on an encoder: trainer train --recipe head"
        )
    asked = {"model_id": model_id, "data_provider": data_provider, "job_id": job_id}
    connection.execute(_LOCK)
    waiting = connection.execute(_WAITING, asked).scalar_one_or_none()
    if waiting is not None:
        return int(waiting)
    return int(connection.execute(_ASK, asked | {"asked_by": asked_by}).scalar_one())


def refit_status(connection: Connection, refit_id: int) -> RefitStatus | None:
    """Where a wish stands; None if there is none of that number."""
    row = connection.execute(_ONE, {"id": refit_id}).mappings().one_or_none()
    return None if row is None else _read(row)


def newest_refits(
    connection: Connection, data_provider: str, *, most: int = 20
) -> list[RefitStatus]:
    """The last wishes for a data provider, the newest first."""
    rows = connection.execute(_NEWEST, {"data_provider": data_provider, "most": most}).mappings()
    return [_read(row) for row in rows]


def claim_refit(connection: Connection) -> RefitStatus | None:
    """The oldest wish that nobody works on; it is ours until the transaction ends."""
    row = connection.execute(_NEXT).mappings().one_or_none()
    return None if row is None else _read(row)


def end_refit(
    connection: Connection, refit_id: int, *, result: dict[str, Any], taught_id: int
) -> None:
    """Say what came out of a wish, and which model that is."""
    done = {"result": result, "taught_id": taught_id, "ended_at": text("now()")}
    connection.execute(update(Refit).where(Refit.id == refit_id).values(**done))


def fail_refit(connection: Connection, refit_id: int, problem: str) -> None:
    """Say why nothing came of a wish."""
    done = {"problem": problem, "ended_at": text("now()")}
    connection.execute(update(Refit).where(Refit.id == refit_id).values(**done))


def _read(row: Mapping[Any, Any]) -> RefitStatus:
    taught = row["taught_name"] and ModelName(row["taught_name"], row["taught_version"]).title
    own = {name: row[name] for name in Refit.__table__.columns.keys()}  # noqa: SIM118 - no dict
    asked = ModelName(row["asked_name"], row["asked_version"]).title
    return RefitStatus(**own, model=asked, taught=taught)
