"""Refits: wishes that a teacher grants, one at a time, and what came out of each.

A teacher leases a wish and renews the lease while it works. If it dies, the lease runs out and
another teacher takes the wish. Each claim has a token, so that a teacher whose lease ran out
changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text, update

from common.errors import UsageError
from common.store.model_names import ModelName
from common.store.signals import AdvisoryLock
from common.store.tables import Refit


@dataclass(frozen=True, kw_only=True)
class RefitStatus:
    """A requested refit, with its result, or with the problem if there is none.

    `model` is the title of the model to retrain, `taught` the title of the new one.
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
        return self.ended_at is not None


@dataclass(frozen=True, kw_only=True)
class RefitClaim:
    wish: RefitStatus
    token: int


class RefitLostError(Exception):
    """The lease of a wish ran out, and another teacher has claimed it."""


_STATUS = """
    SELECT refit.*, asked.name AS asked_name, asked.version AS asked_version,
           taught.name AS taught_name, taught.version AS taught_version
    FROM refit JOIN model AS asked ON asked.id = refit.model_id
    LEFT JOIN model AS taught ON taught.id = refit.taught_id
"""
_ONE = text(f"{_STATUS} WHERE refit.id = :id")
_NEWEST = text(f"{_STATUS} WHERE refit.data_provider = :data_provider ORDER BY id DESC LIMIT :most")
_IS_FREE = "ended_at IS NULL AND (lease_until IS NULL OR lease_until <= clock_timestamp())"
_LEASE_END = "clock_timestamp() + make_interval(secs => :seconds)"
_CLAIM = text(f"""
    UPDATE refit SET lease_token = lease_token + 1, lease_until = {_LEASE_END}
    WHERE id = (
        SELECT id FROM refit WHERE {_IS_FREE} ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, lease_token
""")
_RENEW = text(f"""
    UPDATE refit SET lease_until = {_LEASE_END}
    WHERE id = :id AND lease_token = :token AND ended_at IS NULL
""")
_LOCK = text(AdvisoryLock.REFITS.take)  # else two that ask at once find no wish but their own
_WAITING = text(f"""
    SELECT id FROM refit
    WHERE {_IS_FREE} AND model_id = :model_id AND data_provider = :data_provider
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
    """Request a refit of a model for a data provider, and return the number of the request.

    If the same request is still waiting, its number is returned.

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
    row = connection.execute(_ONE, {"id": refit_id}).mappings().one_or_none()
    return None if row is None else _read(row)


def newest_refits(
    connection: Connection, data_provider: str, *, most: int = 20
) -> list[RefitStatus]:
    rows = connection.execute(_NEWEST, {"data_provider": data_provider, "most": most}).mappings()
    return [_read(row) for row in rows]


def claim_refit(connection: Connection, *, lease_seconds: float) -> RefitClaim | None:
    row = connection.execute(_CLAIM, {"seconds": lease_seconds}).one_or_none()
    if row is None:
        return None
    wish = connection.execute(_ONE, {"id": row.id}).mappings().one()
    return RefitClaim(wish=_read(wish), token=row.lease_token)


def renew_refit(connection: Connection, claim: RefitClaim, *, lease_seconds: float) -> bool:
    """Lease the wish for longer; False if another teacher has it."""
    own = {"id": claim.wish.id, "token": claim.token, "seconds": lease_seconds}
    return bool(connection.execute(_RENEW, own).rowcount)


def end_refit(
    connection: Connection, claim: RefitClaim, *, result: dict[str, Any], taught_id: int
) -> None:
    """Write what came out of a wish, and which model that is.

    Raises:
        RefitLostError: another teacher has it.
    """
    _end(connection, claim, {"result": result, "taught_id": taught_id})


def fail_refit(connection: Connection, claim: RefitClaim, problem: str) -> None:
    """Write why nothing came of a wish.

    Raises:
        RefitLostError: another teacher has it.
    """
    _end(connection, claim, {"problem": problem})


def _end(connection: Connection, claim: RefitClaim, outcome: Mapping[str, Any]) -> None:
    own = (Refit.id == claim.wish.id, Refit.lease_token == claim.token, Refit.ended_at.is_(None))
    done = update(Refit).where(*own).values(**outcome, ended_at=text("now()"))
    if not connection.execute(done).rowcount:
        raise RefitLostError


def _read(row: Mapping[Any, Any]) -> RefitStatus:
    taught = row["taught_name"] and ModelName(row["taught_name"], row["taught_version"]).title
    titles = {"model", "taught"}
    own = {each.name: row[each.name] for each in fields(RefitStatus) if each.name not in titles}
    asked = ModelName(row["asked_name"], row["asked_version"]).title
    return RefitStatus(**own, model=asked, taught=taught)
