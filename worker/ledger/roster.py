"""The workers that are alive, as each of them tells the store, and what keeps them from working."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

ALIVE_SECONDS = 30.0  # since the last word of a worker; it tells every few seconds
_FORGOTTEN_SECONDS = 86_400.0  # a worker that was killed leaves its row


@dataclass(frozen=True, kw_only=True)
class WorkerProblem:
    """What keeps a worker from working: a sentence without its full stop, and since when."""

    what: str
    since: datetime
    seconds: float


@dataclass(frozen=True, kw_only=True)
class LiveWorker:
    """A worker that told the store of itself lately.

    `name` is its host and process, as in `job_chunk.worker`. `idle_seconds`: since it last began a
    chunk, or since its start.
    """

    name: str
    started_at: datetime
    idle_seconds: float
    problems: list[WorkerProblem]


_TELL = text("""
    INSERT INTO worker_process AS known (name, took_at, problems)
    SELECT :name, now() - make_interval(secs => :idle_seconds),
           coalesce((SELECT jsonb_agg(jsonb_build_object(
                                'what', what, 'since', now() - make_interval(secs => seconds)))
                     FROM jsonb_to_recordset(CAST(:problems AS jsonb))
                          AS problem(what text, seconds float8)), '[]')
    ON CONFLICT (name) DO UPDATE
    SET seen_at = now(), took_at = excluded.took_at, problems = excluded.problems
""")
_FORGET = text("DELETE FROM worker_process WHERE seen_at < now() - make_interval(secs => :seconds)")
_LEAVE = text("DELETE FROM worker_process WHERE name = :name")
_ALIVE = text("""
    SELECT worker.name, worker.started_at,
           CAST(extract(epoch FROM now() - coalesce(worker.took_at, worker.started_at)) AS float8)
               AS idle_seconds,
           (SELECT coalesce(jsonb_agg(problem || jsonb_build_object(
                       'seconds', extract(epoch FROM now()
                                          - CAST(problem ->> 'since' AS timestamptz)))), '[]')
            FROM jsonb_array_elements(worker.problems) AS problem) AS problems
    FROM worker_process AS worker
    WHERE worker.seen_at > now() - make_interval(secs => :seconds)
    ORDER BY worker.started_at, worker.name
""")


def tell(
    engine: Engine, name: str, *, problems: Mapping[str, float], idle_seconds: float | None
) -> None:
    """Tell the store that a worker is alive.

    Args:
        problems: what keeps it from working, and for how many seconds it has.
        idle_seconds: since it last began a chunk; None if it never did.
    """
    listed = [{"what": what, "seconds": seconds} for what, seconds in problems.items()]
    asked = {"name": name, "problems": json.dumps(listed), "idle_seconds": idle_seconds}
    with engine.begin() as connection:
        connection.execute(_TELL, asked)
        connection.execute(_FORGET, {"seconds": _FORGOTTEN_SECONDS})


def leave(engine: Engine, name: str) -> None:
    """Tell the store that a worker ends."""
    with engine.begin() as connection:
        connection.execute(_LEAVE, {"name": name})


def live_workers(engine: Engine) -> list[LiveWorker]:
    """The workers that told the store of themselves in the last ALIVE_SECONDS, oldest first."""
    with engine.connect() as connection:
        rows = connection.execute(_ALIVE, {"seconds": ALIVE_SECONDS}).mappings()
        return [LiveWorker(**{**row, "problems": _problems(row["problems"])}) for row in rows]


def _problems(told: list[dict[str, str]]) -> list[WorkerProblem]:
    return [
        WorkerProblem(
            what=each["what"],
            since=datetime.fromisoformat(each["since"]),
            seconds=float(each["seconds"]),
        )
        for each in told
    ]
