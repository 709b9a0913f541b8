"""`worker pause`, `worker resume`, `worker cancel`, `worker retry`: arguments only."""

from typing import Annotated

import typer

from common.store.session import open_store
from worker import jobs
from worker.commands.options import JobId, console


def pause(job: JobId) -> None:
    """Begin no more chunks of a job, from now on; those in work are finished."""
    jobs.pause(open_store(), job)
    console.print(f"Paused; go on with: worker resume {job}", soft_wrap=True)


def resume(job: JobId) -> None:
    """Go on with a paused job."""
    jobs.resume(open_store(), job)
    console.print("Resumed.")


def cancel(job: JobId) -> None:
    """Give up what has no outcome yet, within seconds; outcomes and enrichments stay."""
    engine = open_store()
    jobs.cancel(engine, job)
    status = jobs.status(engine, job)
    console.print(f"Cancelled; {status.settled:,} of {status.total:,} records had their outcome.")


def retry(
    job: JobId,
    reason: Annotated[
        list[str] | None, typer.Option(help="only what failed for this reason; may be repeated")
    ] = None,
) -> None:
    """Try the failed records of a job again, within the same job.

    Example: worker retry JOB --reason timeout --reason host_unavailable
    """
    records = jobs.retry(open_store(), job, reason or ())
    console.print(f"{records:,} records are tried again.")
