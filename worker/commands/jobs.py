"""`worker jobs`: arguments only."""

import json
from typing import Annotated

import typer

from common.store.session import open_store
from common.store.tables import JobState
from worker.jobs import list_jobs
from worker.jobs.watch import show_jobs


def jobs(
    state: Annotated[
        list[JobState] | None, typer.Option(help="only jobs in this state; may be repeated")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON array")] = False,
) -> None:
    """List the jobs: unfinished jobs first, then the newest."""
    engine = open_store()
    rows = list_jobs(engine, state) if state else list_jobs(engine)
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in rows]))
    else:
        show_jobs(rows)
