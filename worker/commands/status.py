"""`worker status`: arguments only."""

import json
from typing import Annotated

import typer

from common.store.session import open_store
from worker import jobs
from worker.commands.options import JobId
from worker.watch import show_status, watch_job


def status(
    job: JobId,
    watch: Annotated[bool, typer.Option("--watch", help="stay until the job is done")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show how far a job has come, its outcomes and the reasons of failures."""
    engine = open_store()
    current = watch_job(engine, job) if watch else jobs.status(engine, job)
    if as_json:
        typer.echo(json.dumps(current.as_json()))
    else:
        show_status(current)
