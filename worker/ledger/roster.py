"""The state of a worker: its heartbeat file and the store repeat it, for `worker health`, the
doctor, the desk and the report of a job."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, text

from common.store.tables.jobs import ALIVE_SECONDS

_FORGOTTEN_SECONDS = 86_400.0  # a worker that was killed leaves its row


@dataclass(frozen=True, kw_only=True)
class WorkerProblem:
    """What a worker misses: a sentence without its full stop, and for how many seconds.

    With a problem that does not stop it, a worker works on, though not on everything.
    """

    what: str
    seconds: float
    stops: bool = True


class WorkerState(BaseModel):
    """What a worker knows of itself at one moment.

    `name` is its host and process. `in_float32`: the models whose float16 was refused on `device`.
    `idle_seconds`: since it last began a chunk; None if it never did. `stalled`: threads that have
    not done their work for so many seconds. `hangs`: a thread has ended, or a chunk makes no
    progress.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    device: str = ""
    in_float32: tuple[str, ...] = ()
    has_model: bool = False
    idle_seconds: float | None = None
    problems: tuple[WorkerProblem, ...] = ()
    stalled: Mapping[str, float] = {}
    hangs: bool = False


@dataclass(frozen=True, kw_only=True)
class DatedProblem(WorkerProblem):
    """A problem, and since when there has been one."""

    since: datetime


@dataclass(frozen=True, kw_only=True)
class LiveWorker:
    """A worker that is alive: it reported its state lately.

    `idle_seconds`: since it last began a chunk, or since its start. `device` is empty if a worker
    of an older release does not report it.
    """

    name: str
    started_at: datetime
    idle_seconds: float
    problems: list[DatedProblem]
    device: str
    in_float32: list[str]

    @property
    def works(self) -> bool:
        return not any(problem.stops for problem in self.problems)


_TELL = text("""
    INSERT INTO worker_process AS known (name, took_at, device, in_float32, problems)
    SELECT :name, now() - make_interval(secs => :idle_seconds), :device, CAST(:in_float32 AS jsonb),
           coalesce((SELECT jsonb_agg(jsonb_build_object(
                                'what', what, 'stops', stops,
                                'since', now() - make_interval(secs => seconds)))
                     FROM jsonb_to_recordset(CAST(:problems AS jsonb))
                          AS problem(what text, stops bool, seconds float8)), '[]')
    ON CONFLICT (name) DO UPDATE
    SET seen_at = now(), took_at = excluded.took_at, problems = excluded.problems,
        in_float32 = excluded.in_float32
""")
_FORGET = text("DELETE FROM worker_process WHERE seen_at < now() - make_interval(secs => :seconds)")
_LEAVE = text("DELETE FROM worker_process WHERE name = :name")
_ALIVE = text("""
    SELECT worker.name, worker.started_at,
           CAST(extract(epoch FROM now() - coalesce(worker.took_at, worker.started_at)) AS float8)
               AS idle_seconds, worker.device, worker.in_float32,
           (SELECT coalesce(jsonb_agg(problem || jsonb_build_object(
                       'seconds', extract(epoch FROM now()
                                          - CAST(problem ->> 'since' AS timestamptz)))), '[]')
            FROM jsonb_array_elements(worker.problems) AS problem) AS problems
    FROM worker_process AS worker
    WHERE worker.seen_at > now() - make_interval(secs => :seconds)
    ORDER BY worker.started_at, worker.name
""")


def tell(engine: Engine, state: WorkerState) -> None:
    asked = {
        "name": state.name,
        "problems": json.dumps([asdict(problem) for problem in state.problems]),
        "idle_seconds": state.idle_seconds,
        "device": state.device,
        "in_float32": json.dumps(state.in_float32),
    }
    with engine.begin() as connection:
        connection.execute(_TELL, asked)
        connection.execute(_FORGET, {"seconds": _FORGOTTEN_SECONDS})


def leave(engine: Engine, name: str) -> None:
    with engine.begin() as connection:
        connection.execute(_LEAVE, {"name": name})


def live_workers(engine: Engine) -> list[LiveWorker]:
    """The workers that told the store of themselves in the last ALIVE_SECONDS, oldest first."""
    with engine.connect() as connection:
        rows = connection.execute(_ALIVE, {"seconds": ALIVE_SECONDS}).mappings()
        return [LiveWorker(**{**row, "problems": _problems(row["problems"])}) for row in rows]


def _problems(told: list[dict[str, Any]]) -> list[DatedProblem]:
    return [
        DatedProblem(
            what=each["what"],
            seconds=float(each["seconds"]),
            stops=each.get("stops", True),  # the release before did not tell
            since=datetime.fromisoformat(each["since"]),
        )
        for each in told
    ]
