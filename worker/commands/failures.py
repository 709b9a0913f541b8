"""`worker failures`: arguments only."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated
from uuid import UUID

import typer

from common.errors import UsageError
from common.files import output_stream
from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.process.terminal.shared_options import Force, check_output_file
from common.reasons import may_pass
from common.store.session import open_store
from worker.commands.options import JobRef, console
from worker.jobs.failures import FailedRecord, count_failures, write_csv
from worker.jobs.failures import failures as failed_records
from worker.jobs.names import find_job

SHOWN = 200  # records of a table


@prints(FailedRecord)
def failures(
    job: JobRef,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="Write all failed records to this file, as CSV. - writes to standard output.",
        ),
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option(help="Only records that failed for this reason. You can repeat this option."),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """List the failed records of a job, with the step, the reason, the attempts and the time.

    Without a file, the command prints a table of the first 200 records. --json prints all records,
    one JSON object per line. docs/reference/reasons.md explains the reasons.

    Examples: worker failures last · worker failures last failed.csv --reason not_found
    """
    if file is not None and as_json:
        raise UsageError("Give either a FILE, which is CSV, or --json.")
    if file is not None:
        check_output_file(file, force=force)
    engine = open_store()
    job_id = find_job(engine, job)
    counts = count_failures(engine, job_id, reason or ())
    with failed_records(engine, job_id, reason or ()) as rows:
        if as_json:
            for row in rows:
                print_json(row, FailedRecord)
        elif file is not None:
            with output_stream(file) as stream:
                written = write_csv(rows, stream)
            where = "standard output" if file == "-" else file
            console.print(f"{counted(written, 'failed record')} written to {where}.")
        else:
            _show(rows, sum(counts.values()))
    if counts and not as_json:
        console.print(_next(job_id, counts), soft_wrap=True)


def _next(job_id: UUID, reasons: Iterable[str]) -> str:
    """To try again what may pass; whatever else failed would fail again."""
    passing = [each for each in reasons if may_pass(each)]
    if not passing:
        return (
            "These records fail again until you remove the cause. See what to do: "
            "docs/reference/reasons.md"
        )
    chosen = "".join(f" --reason {each}" for each in passing)
    return f"Next, for failures that may be temporary: worker retry {job_id}{chosen}"


def _show(rows: Iterator[FailedRecord], total: int) -> None:
    if not total:
        console.print("No record has failed.")
        return
    listing = Listing(
        *("record", "stage", "reason", "attempts", "when", "detail"),
        numbers=("attempts",),
        texts=("detail",),
    )
    for row in islice(rows, SHOWN):
        when = f"{row.failed_at.astimezone():%Y-%m-%d %H:%M:%S %Z}"
        listing.add(row.record_id, row.stage, row.reason, f"{row.attempts:,}", when, row.detail)
    listing.print()
    if total > SHOWN:
        console.print(
            f"These are the first {SHOWN} of {total:,} failed records. To get all records, "
            "give a file, or --json."
        )
