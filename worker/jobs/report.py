"""All that there is to say of a job at one moment."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine

from common.store.decisions import DecisionMade
from common.vision.answers.drift import ModelDrift, drift_of_job
from worker.jobs.blocking import blocking
from worker.jobs.progress import FailingHost, Status, failing_hosts, status
from worker.jobs.promises import Unpromised, unpromised
from worker.ledger.roster import LiveWorker, live_workers


@dataclass(frozen=True, kw_only=True)
class JobReport(Status):
    """The status of a job, and what explains it.

    `blocked_by`: the decisions that blocked records. `drift`: what its models said of each data
    provider's pictures. `nothing_promised`: data providers that no promise of the models is for.
    `workers`: those that are alive.
    """

    failing_hosts: list[FailingHost]
    blocked_by: list[DecisionMade]
    drift: list[ModelDrift]
    nothing_promised: list[Unpromised]
    workers: list[LiveWorker]


def report_job(engine: Engine, job_id: UUID) -> JobReport:
    """How far a job has come, and why.

    Raises:
        UsageError: there is no such job.
    """
    current = status(engine, job_id)
    return JobReport(
        **vars(current),
        failing_hosts=failing_hosts(engine, job_id),
        blocked_by=blocking(engine, job_id) if current.blocked else [],
        drift=drift_of_job(engine, job_id),
        nothing_promised=unpromised(engine, job_id),
        workers=live_workers(engine),
    )
