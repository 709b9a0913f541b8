"""`worker jobs` and `worker prune`: arguments only."""

from collections.abc import Sequence
from typing import Annotated

import typer

from common.process.terminal.ages import parse_age
from common.process.terminal.confirming import Yes, confirm
from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.store.session import open_store
from common.store.tables import JobState
from worker.commands.options import console
from worker.commands.watch import in_hours
from worker.jobs.progress import JOBS_SHOWN, JobRow, list_jobs
from worker.jobs.prune import PrunedJobs, prunable
from worker.jobs.prune import prune as prune_jobs


@prints(list[JobRow])
def jobs(
    state: Annotated[
        list[JobState] | None,
        typer.Option(help="Only jobs in this state. You can repeat this option."),
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
    if len(rows) == JOBS_SHOWN:
        console.print(f"At most {JOBS_SHOWN} jobs are shown.")


def show_jobs(rows: Sequence[JobRow]) -> None:
    numbers = ("settled", "total", "records/s", "age")
    headings = ("job", "name", "state", "priority", "model", *numbers, "submitter")
    listing = Listing(*headings, numbers=numbers, texts=("name", "model", "submitter"))
    for row in rows:
        rate = f"{row.rate:,.1f}" if row.rate else ""
        state = f"{row.state}, pruned" if row.pruned_at else row.state
        cells = [str(row.job_id), row.name or "", state, row.priority, row.model]
        cells += [f"{row.settled:,}", f"{row.total:,}", rate, in_hours(row.age.total_seconds())]
        listing.add(*cells, row.submitter or "")
    listing.print()


@prints(PrunedJobs)
def prune(
    older_than: Annotated[
        str,
        typer.Option(
            metavar="AGE",
            help=(
                "Only jobs that were done or cancelled longer ago than this. Give days or "
                "hours, such as 90d or 12h."
            ),
        ),
    ],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove the lists of records and failures of old jobs. Enrichments and counts stay.

    After this, you can no longer export or retry one of these jobs, or list its failed records.
    `worker enqueue --unseen` no longer leaves out the records of these jobs. For ten million
    records, the command takes some seconds. Workers do not wait for it.

    Example: worker prune --older-than 90d
    """
    age = parse_age(older_than)
    engine = open_store()
    found = prunable(engine, older_than=age)
    if not found.job_ids:
        console.print(f"No job that ended {older_than} ago or earlier has lists of records.")
    elif not yes:
        jobs_found, records = counted(len(found.job_ids), "job"), counted(found.records, "record")
        confirm(
            f"Remove the lists of records and failures of {jobs_found} ({records}), which "
            f"ended {older_than} ago or earlier? Enrichments and counts stay."
        )
    pruned = prune_jobs(engine, older_than=age)
    if pruned.jobs:
        of_jobs, records = counted(pruned.jobs, "job"), counted(pruned.records, "record")
        failures = counted(pruned.failures, "failure")
        console.print(
            f"The lists of {of_jobs} were removed: {records}, {failures}. Postgres uses the "
            "free space for new lists."
        )
    if as_json:
        print_json(pruned, PrunedJobs)
