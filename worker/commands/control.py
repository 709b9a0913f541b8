"""`worker pause`, `worker resume`, `worker cancel`, `worker retry`: arguments only."""

from typing import Annotated

import typer

from common.store.session import open_store
from worker import jobs
from worker.commands.options import JobId, console


def pause(job: JobId) -> None:
    """Begin no more chunks of a job; chunks in work are finished."""
    jobs.pause(open_store(), job)
    console.print(f"Paused. To continue: worker resume {job}", soft_wrap=True)


def resume(job: JobId) -> None:
    """Continue a paused job."""
    jobs.resume(open_store(), job)
    console.print("Resumed.")


def cancel(job: JobId) -> None:
    """Give up all records without an outcome; outcomes and enrichments stay."""
    engine = open_store()
    jobs.cancel(engine, job)
    status = jobs.status(engine, job)
    console.print(f"Cancelled. {status.settled:,} of {status.total:,} records had their outcome.")


def retry(
    job: JobId,
    reason: Annotated[
        list[str] | None,
        typer.Option(help="only records that failed for this reason; may be repeated"),
    ] = None,
) -> None:
    """Try the failed records of a job again, in the same job.

    Example: worker retry JOB --reason timeout --reason host_unavailable
    """
    records = jobs.retry(open_store(), job, reason or ())
    console.print(f"{records:,} records will be tried again.")
