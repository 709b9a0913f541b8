"""`worker jobs`: arguments only."""

from typing import Annotated

import typer

from common.process.terminal.json_output import AsJson, print_json, prints
from common.store.session import open_store
from common.store.tables import JobState
from worker.commands.options import console
from worker.jobs.progress import SHOWN, JobRow, list_jobs
from worker.jobs.watch import show_jobs


@prints(list[JobRow])
def jobs(
    state: Annotated[
        list[JobState] | None, typer.Option(help="Only jobs in this state. May be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs, at most 50: unfinished jobs first, then the newest.

    Example: worker jobs --state running --state paused
    """
    engine = open_store()
    rows = list_jobs(engine, state) if state else list_jobs(engine)
    if as_json:
        print_json(rows, list[JobRow])
        return
    if not rows:
        console.print(
            "There is no such job." if state else "There is no job. Next: worker enqueue FILE"
        )
        return
    show_jobs(rows)
    if len(rows) == SHOWN:
        console.print(f"At most {SHOWN} jobs are shown.")
