"""`worker status`: arguments only."""

import json
from typing import Annotated

import typer

from common.store.session import open_store
from worker import jobs
from worker.commands.options import JobId, console
from worker.jobs.watch import show_status, watch_job


def status(
    job: JobId,
    watch: Annotated[bool, typer.Option("--watch", help="show progress until it is done")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show the progress of a job: outcomes, reasons of failures, and hosts that hold it up.

    Below, what its models said of each data provider's pictures, and at promotion.
    """
    engine = open_store()
    current = watch_job(engine, job) if watch else jobs.status(engine, job)
    hosts = jobs.failing_hosts(engine, job)
    drifts = jobs.drift_of_job(engine, job)
    unpromised = jobs.unpromised(engine, job)
    if as_json:
        lists = {
            "failing_hosts": [each.as_json() for each in hosts],
            "drift": [each.as_json() for each in drifts],
            "nothing_promised": [each.as_json() for each in unpromised],
        }
        typer.echo(json.dumps(current.as_json() | lists))
        return
    show_status(current, hosts, drifts)
    for each in unpromised:
        console.print(str(each), soft_wrap=True)
