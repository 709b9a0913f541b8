"""`worker status`: arguments only."""

import json
from typing import Annotated

import typer

from common.store.session import open_store
from worker import jobs
from worker.commands.options import JobId, console
from worker.jobs.watch import show_status, watch_job

UNDONE = (
    "What blocked these records was undone: enqueue them again, and their concepts are written."
)


def status(
    job: JobId,
    watch: Annotated[bool, typer.Option("--watch", help="show progress until it is done")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show the progress of a job: outcomes, reasons of failures, and hosts that hold it up.

    Below, the decisions that blocked records, with who and why; and what its models said of each
    data provider's pictures, and at promotion.
    """
    engine = open_store()
    current = watch_job(engine, job) if watch else jobs.status(engine, job)
    hosts = jobs.failing_hosts(engine, job)
    drifts = jobs.drift_of_job(engine, job)
    unpromised = jobs.unpromised(engine, job)
    decisions = jobs.blocking(engine, job) if current.blocked else []
    if as_json:
        lists = {
            "failing_hosts": [each.as_json() for each in hosts],
            "blocked_by": [each.as_json() for each in decisions],
            "drift": [each.as_json() for each in drifts],
            "nothing_promised": [each.as_json() for each in unpromised],
        }
        typer.echo(json.dumps(current.as_json() | lists))
        return
    show_status(current, hosts, drifts)
    for decision in decisions:
        console.print(str(decision), markup=False, soft_wrap=True)
    if current.blocked and not decisions:
        console.print(UNDONE, soft_wrap=True)
    for each in unpromised:
        console.print(str(each), soft_wrap=True)
