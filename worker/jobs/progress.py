"""How far jobs have come: outcomes, rate, hosts that hold one up, and the list of jobs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import computed_field
from sqlalchemy import Engine, RowMapping, TextClause, text

from common.errors import UsageError
from common.fetch.urls import URL_START, host_of
from common.process.terminal.counting import counted
from common.store.tables import JobState
from common.store.tables.jobs import ALIVE_SECONDS, JOB_MODELS, UNFINISHED
from common.store.tables.outcomes import COUNTED, RECORDS_SETTLED
from worker.jobs.model_choice import title_of

RATE_SECONDS = 300  # the rate is that of the last five minutes,
RATE_CHUNKS = 300  # ... or of so many chunks, if there were more
RATE_LEAST_SECONDS = 10  # of fewer chunks: two that end together would tell of any speed
HOSTS_SHOWN = 5
JOBS_SHOWN = 50  # jobs


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a job has come; the five outcomes and `waiting` add up to `total` records.

    `model` names the job's models. `read`: of how many records the encoder's embedding was read.
    `in_work`: the waiting records that a worker has begun; `lost` of them were begun by workers
    that are no longer alive, and others get them by `lost_until`. `put_off`: the waiting records
    that failed for a reason that may pass; `next_try_at` is when the first of them are tried again.
    `rate`: records a second in the last 5 minutes; null if too few were settled to tell, and if
    the job does not run.
    """

    job_id: UUID
    name: str | None
    state: JobState
    model: str
    priority: str
    total: int
    enriched: int
    unlike: int
    below_threshold: int
    blocked: int
    failed: int
    read: int
    in_work: int
    lost: int
    lost_until: datetime | None
    put_off: int
    next_try_at: datetime | None
    rate: float | None
    failures: dict[str, int]
    created_at: datetime
    age: timedelta
    finished_at: datetime | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def settled(self) -> int:
        """Records that have their outcome."""
        return self.classified + self.failed

    @computed_field  # type: ignore[prop-decorator]
    @property
    def classified(self) -> int:
        """Records whose picture could be seen, or was seen before."""
        return self.enriched + self.unlike + self.below_threshold + self.blocked

    @computed_field  # type: ignore[prop-decorator]
    @property
    def looked_at(self) -> int:
        """Records whose picture was looked at, and could be seen."""
        return self.classified - self.read

    @computed_field  # type: ignore[prop-decorator]
    @property
    def waiting(self) -> int:
        """Records that have no outcome yet."""
        return self.total - self.settled

    @computed_field  # type: ignore[prop-decorator]
    @property
    def seconds_left(self) -> float | None:
        """The time for the rest at this rate; it is unknown for records that were put off."""
        going_on = self.waiting - self.put_off if self.state == JobState.RUNNING else 0
        return going_on / self.rate if self.rate and going_on else None

    def told_lost(self) -> Iterator[str]:
        """What becomes of records whose worker was lost, in a sentence; nothing if none was."""
        if self.lost_until is not None:
            yield (
                f"{counted(self.lost, 'record was', 'records were')} in work with a worker "
                "that is no longer alive. Other workers take over when the lease ends, at "
                f"the latest at {self.lost_until:%Y-%m-%d %H:%M:%S %Z}."
            )


# From the end of the first chunk until now. That chunk begins the span and is not counted itself,
# since it is unknown when work on it began.
RATE_SQL = f"""
    SELECT CASE WHEN count(*) = {RATE_CHUNKS}
                  OR now() - min(first) >= make_interval(secs => {RATE_LEAST_SECONDS})
           THEN sum(records) FILTER (WHERE settled_at > first)
                / nullif(CAST(extract(epoch FROM now() - min(first)) AS float8), 0) END
    FROM (SELECT settled_at, records, min(settled_at) OVER () AS first
          FROM (SELECT settled_at, {RECORDS_SETTLED} AS records FROM job_chunk
                WHERE job_id = job.id AND job.state = 'running'
                  AND settled_at > now() - make_interval(secs => :rate_seconds)
                ORDER BY settled_at DESC LIMIT {RATE_CHUNKS}) AS newest
         ) AS lately
"""
_MODELS = f"""
    SELECT jsonb_build_object(
        'ids', jsonb_agg(model.id ORDER BY used.place),
        'titles', jsonb_agg(model.name || ' v' || model.version ORDER BY used.place),
        'routes', job.routes)
    FROM unnest({JOB_MODELS}) WITH ORDINALITY AS used(id, place)
    JOIN model ON model.id = used.id
"""
_SUMS = ", ".join(
    f"CAST(coalesce(sum({name}), 0) AS bigint) AS {name}" for name in (*COUNTED, "put_off")
)
_LEASED = """
    SELECT coalesce(sum(records), 0) AS in_work,
           coalesce(sum(records) FILTER (WHERE is_lost), 0) AS lost,
           max(lease_until) FILTER (WHERE is_lost) AS lost_until
    FROM (SELECT cardinality(record_ids) AS records, lease_until, NOT EXISTS (
              SELECT 1 FROM worker_process AS known WHERE known.name = job_chunk.worker
                 AND known.seen_at > now() - make_interval(secs => :alive_seconds)) AS is_lost
          FROM job_chunk WHERE job_id = job.id AND state = 'leased') AS chunk
"""
_STATUS = text(f"""
    SELECT job.id AS job_id, job.name, job.state, job.priority, job.total, job.created_at,
           job.finished_at, now() - job.created_at AS age,
           ({_MODELS}) AS model, ({RATE_SQL}) AS rate, outcomes.*, leased.*,
           (SELECT nullif(not_before, '-infinity') FROM job_chunk
            WHERE job_id = job.id AND state = 'ready' AND put_off
            ORDER BY not_before LIMIT 1) AS next_try_at
    FROM job CROSS JOIN LATERAL (
        SELECT {_SUMS} FROM job_outcomes WHERE job_id = job.id
    ) AS outcomes CROSS JOIN LATERAL ({_LEASED}) AS leased
    WHERE job.id = :job_id
""")
_FAILURES = text("""
    SELECT reason, CAST(sum(records) AS bigint) AS records FROM job_failure_count
    WHERE job_id = :job_id GROUP BY reason HAVING sum(records) > 0 ORDER BY records DESC, reason
""")


def status(engine: Engine, job_id: UUID) -> Status:
    """How far a job has come, at one moment.

    Raises:
        UsageError: there is no such job.
    """
    asked = {
        "job_id": job_id,
        "rate_seconds": RATE_SECONDS,
        "alive_seconds": ALIVE_SECONDS,
    }
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        row = connection.execute(_STATUS, asked).mappings().one_or_none()
        if row is None:
            raise UsageError(f"There is no job {job_id}.")
        failures = connection.execute(_FAILURES, asked)
        return Status(
            **_named(row),
            failures={each.reason: each.records for each in failures},
        )


@dataclass(frozen=True, kw_only=True)
class FailingHost:
    """A host of providers' files, and how many records failed or were put off because of it.

    `pace`: the part of the usual rate, 0 to 1, at which it is asked now; below 1 after complaints.
    """

    host: str
    failed: int
    put_off: int
    pace: float


_BLAMED = text(f"""
    WITH blamed AS (
        SELECT record_id, 1 AS failed, 0 AS put_off FROM job_failure
        WHERE job_id = :job_id AND stage = 'fetch'
        UNION ALL
        SELECT unnest(record_ids), 0, 1 FROM job_chunk
        WHERE job_id = :job_id AND settled_at IS NULL AND put_off
    )
    SELECT {URL_START} AS start, sum(failed) AS failed, sum(put_off) AS put_off
    FROM blamed LEFT JOIN record_alias AS alias ON alias.old_id = blamed.record_id
    JOIN record ON record.id = coalesce(alias.record_id, blamed.record_id)
    JOIN job ON job.id = :job_id AND job.picture <> 'thumbnail'
    WHERE record.media_url IS NOT NULL
    GROUP BY start
""")
_PACES = text("""
    SELECT host, min(pace) AS pace FROM host_lease
    WHERE host = ANY(CAST(:hosts AS text[])) AND lease_until > now() GROUP BY host
""")


def failing_hosts(engine: Engine, job_id: UUID) -> list[FailingHost]:
    """The HOSTS_SHOWN providers' hosts that hold a job up most; none if it looks at thumbnails.

    The ledger knows failures, waits and complaints, but not how long downloads took.
    """
    failed: Counter[str] = Counter()
    put_off: Counter[str] = Counter()
    with engine.connect() as connection:
        for row in connection.execute(_BLAMED, {"job_id": job_id}):
            host = host_of(row.start)
            failed[host] += row.failed
            put_off[host] += row.put_off
        blamed = failed + put_off
        worst = sorted(blamed, key=lambda host: (-blamed[host], host))[:HOSTS_SHOWN]
        paces = {row.host: row.pace for row in connection.execute(_PACES, {"hosts": worst})}
    return [
        FailingHost(host=each, failed=failed[each], put_off=put_off[each], pace=paces.get(each, 1))
        for each in worst
    ]


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A job in the list; `settled`: how many of its records have their outcome.

    `pruned_at`: when the lists of its records and failures were removed.
    """

    job_id: UUID
    name: str | None
    state: JobState
    priority: str
    model: str
    submitter: str | None
    total: int
    settled: int
    rate: float | None
    created_at: datetime
    age: timedelta
    pruned_at: datetime | None


_JOBS = f"""
    SELECT job.id AS job_id, job.name, job.state, job.priority, job.submitter, job.total,
           job.created_at, job.pruned_at, now() - job.created_at AS age, ({_MODELS}) AS model,
           (SELECT CAST(coalesce(sum({RECORDS_SETTLED}), 0) AS bigint)
            FROM job_outcomes WHERE job_id = job.id) AS settled,
           ({RATE_SQL}) AS rate
    FROM job WHERE job.state = ANY(CAST(:states AS text[]))
"""
_UNFINISHED_FIRST = text(f"{_JOBS} ORDER BY NOT job.{UNFINISHED}, job.created_at DESC LIMIT :shown")
_NEWEST_FIRST = text(f"""{_JOBS}
    AND (CAST(:before AS uuid) IS NULL OR (job.created_at, job.id) <
         (SELECT created_at, id FROM job WHERE id = CAST(:before AS uuid)))
    ORDER BY job.created_at DESC, job.id DESC LIMIT :shown
""")


def list_jobs(engine: Engine, states: Sequence[JobState] = tuple(JobState)) -> list[JobRow]:
    """The jobs in these states, at most JOBS_SHOWN: unfinished jobs first, then the newest."""
    return _job_rows(engine, _UNFINISHED_FIRST, {"states": list(states), "shown": JOBS_SHOWN})


def page_of_jobs(
    engine: Engine, states: Sequence[JobState], *, before: UUID | None, most: int
) -> list[JobRow]:
    """The newest jobs in these states, of those that are older than the job `before`."""
    asked = {"states": list(states), "before": before, "shown": most}
    return _job_rows(engine, _NEWEST_FIRST, asked)


def _named(row: RowMapping) -> dict[str, Any]:
    return {**row, "model": title_of(**row["model"]), "state": JobState(row["state"])}


def _job_rows(engine: Engine, statement: TextClause, asked: Mapping[str, object]) -> list[JobRow]:
    with engine.connect() as connection:
        rows = connection.execute(statement, {**asked, "rate_seconds": RATE_SECONDS}).mappings()
        return [JobRow(**_named(row)) for row in rows]
