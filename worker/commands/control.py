"""`worker pause`, `worker resume`, `worker cancel`, `worker retry`: arguments only."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy import Engine

from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from common.store.session import open_store
from common.store.tables import JobState
from worker import jobs
from worker.commands.options import JobRef, console


@dataclass(frozen=True, kw_only=True)
class SteeredJob:
    """A job after the command, and how many of its records are tried again."""

    job_id: UUID
    state: JobState
    tried_again: int = 0


@prints(SteeredJob)
def pause(job: JobRef, as_json: AsJson = False) -> None:
    """Pause a job. Workers finish the records that they have taken, and take no more records.

    Example: worker pause last
    """
    engine = open_store()
    job_id = jobs.find_job(engine, job)
    jobs.pause(engine, job_id)
    console.print(f"Paused. Next: worker resume {job_id}", soft_wrap=True)
    if as_json:
        _print(engine, job_id)


@prints(SteeredJob)
def resume(job: JobRef, as_json: AsJson = False) -> None:
    """Continue a paused job.

    Example: worker resume last
    """
    engine = open_store()
    job_id = jobs.find_job(engine, job)
    jobs.resume(engine, job_id)
    console.print(f"Resumed. Next: worker status {job_id} --watch", soft_wrap=True)
    if as_json:
        _print(engine, job_id)


@prints(SteeredJob)
def cancel(job: JobRef, as_json: AsJson = False) -> None:
    """Cancel a job. Records without an outcome are not processed. Enrichments stay.

    Example: worker cancel last
    """
    engine = open_store()
    job_id = jobs.find_job(engine, job)
    jobs.cancel(engine, job_id)
    status = jobs.status(engine, job_id)
    records = counted(status.total, "record")
    console.print(f"Cancelled. {status.settled:,} of {records} have an outcome.", soft_wrap=True)
    if as_json:
        print_json(SteeredJob(job_id=job_id, state=status.state), SteeredJob)


@prints(SteeredJob)
def retry(
    job: JobRef,
    reason: Annotated[
        list[str] | None,
        typer.Option(help="Only records that failed for this reason. You can repeat this option."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try the failed records of a job again, in the same job.

    `worker failures JOB` lists the failed records with their reasons.

    Example: worker retry last --reason timeout --reason host_unavailable
    """
    engine = open_store()
    job_id = jobs.find_job(engine, job)
    records = jobs.retry(engine, job_id, reason or ())
    again = f"{counted(records, 'record')} will be tried again."
    console.print(f"{again} Next: worker status {job_id} --watch", soft_wrap=True)
    if as_json:
        _print(engine, job_id, tried_again=records)


def _print(engine: Engine, job_id: UUID, *, tried_again: int = 0) -> None:
    state = jobs.status(engine, job_id).state
    print_json(SteeredJob(job_id=job_id, state=state, tried_again=tried_again), SteeredJob)
