"""All that there is to say of a job at one moment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine, text

from common.process.terminal.counting import counted
from common.store.decisions import DecisionMade, list_decisions
from common.store.tables import Decided, JobState
from common.store.tables.jobs import JOB_MODELS
from common.vision.answers.drift import ModelDrift, drift_of_job
from worker.jobs.progress import FailingHost, Status, failing_hosts, status
from worker.jobs.prune import pruned_at
from worker.jobs.without_promise import Unpromised, unpromised
from worker.ledger.roster import LiveWorker, live_workers

IDLE_SECONDS = 10.0  # in which no worker took a chunk; then the report says so
WORKERS_SHOWN = 5  # of those that have problems
DECISIONS_SHOWN = 10  # decisions


@dataclass(frozen=True, kw_only=True)
class JobReport(Status):
    """The status of a job, and what explains it.

    `blocked_by`: the decisions that blocked records. `drift`: what its models predicted for each
    data provider's pictures. `nothing_promised`: data providers without a promise of the models,
    and models without one. `workers`: those that are alive. `pruned_at`: when the lists of its
    records and failures were removed; then hosts, decisions, drift and providers are unknown. The
    counts of reasons stay.
    """

    failing_hosts: list[FailingHost]
    blocked_by: list[DecisionMade]
    drift: list[ModelDrift]
    nothing_promised: list[Unpromised]
    workers: list[LiveWorker]
    pruned_at: datetime | None


def report_job(engine: Engine, job_id: UUID) -> JobReport:
    """How far a job has come, and why.

    Raises:
        UsageError: there is no such job.
    """
    current = status(engine, job_id)
    with engine.connect() as connection:
        pruned = pruned_at(connection, job_id)
    return JobReport(
        **vars(current),
        failing_hosts=failing_hosts(engine, job_id),
        blocked_by=blocking(engine, job_id) if current.blocked and not pruned else [],
        drift=drift_of_job(engine, job_id),
        nothing_promised=unpromised(engine, job_id),
        workers=live_workers(engine),
        pruned_at=pruned,
    )


def hindrances(status: Status, workers: Sequence[LiveWorker]) -> Iterator[str]:
    """What keeps the workers that are alive from a job, a sentence each."""
    if status.state != JobState.RUNNING or not status.waiting:
        return
    yield from status.told_lost()
    if not workers:
        yield "Workers that are alive: none. Start one: worker run"
        return
    in_trouble = [worker for worker in workers if worker.problems]
    for worker in in_trouble[:WORKERS_SHOWN]:
        for problem in worker.problems:
            lasting = timedelta(seconds=round(problem.seconds))
            since = f"for {lasting}, since {problem.since:%Y-%m-%d %H:%M:%S %Z}"
            told = f"Worker {worker.name}: {problem.what} ({since})."
            yield told if problem.stops else f"{told} The worker continues to work."
    if (more := len(in_trouble) - WORKERS_SHOWN) > 0:
        yield f"{counted(more, 'more worker has', 'more workers have')} problems."
    idle = min(status.age.total_seconds(), *(worker.idle_seconds for worker in workers))
    if status.waiting > status.in_work + status.put_off and idle > IDLE_SECONDS:
        yield f"No worker took a chunk for {idle:.0f} s."


# Chunks know the data providers of their records by the names that decisions have.
_CONCERNED = text(f"""
    SELECT ARRAY(SELECT DISTINCT unnest(model.labels) FROM job JOIN model
                 ON model.id = ANY({JOB_MODELS})
                 WHERE job.id = :job_id) AS concepts,
           ARRAY(SELECT DISTINCT of_provider.key FROM job_chunk
                 CROSS JOIN LATERAL jsonb_each(said) AS of_model
                 CROSS JOIN LATERAL jsonb_each(of_model.value) AS of_provider
                 WHERE job_id = :job_id AND blocked > 0) AS data_providers
""")


def blocking(engine: Engine, job_id: UUID) -> list[DecisionMade]:
    """The standing decisions that block concepts of a job's models for its blocked records.

    The newest come first, at most DECISIONS_SHOWN. What blocked them may have been undone since.
    """
    with engine.connect() as connection:
        concerned = connection.execute(_CONCERNED, {"job_id": job_id}).one()
        made = list_decisions(connection, decided=(Decided.BLOCKED, Decided.REFUSED))
    concepts = {None, *concerned.concepts}
    providers = {None, *concerned.data_providers}
    return [
        each for each in made if each.concept_uri in concepts and each.data_provider in providers
    ][:DECISIONS_SHOWN]
