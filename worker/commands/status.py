"""`worker status`: arguments only."""

import json
from typing import Annotated

import typer

from common.store.session import open_store
from worker import jobs
from worker.commands.options import JobId
from worker.jobs.watch import show_status, watch_job


def status(
    job: JobId,
    watch: Annotated[bool, typer.Option("--watch", help="show progress until it is done")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show the progress of a job: outcomes, reasons of failures, and hosts that hold it up."""
    engine = open_store()
    current = watch_job(engine, job) if watch else jobs.status(engine, job)
    hosts = jobs.failing_hosts(engine, job)
    if as_json:
        told = current.as_json() | {"failing_hosts": [host.as_json() for host in hosts]}
        typer.echo(json.dumps(told))
    else:
        show_status(current, hosts)
