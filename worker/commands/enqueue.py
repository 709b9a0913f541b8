"""`worker enqueue`: arguments only."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from common.errors import UsageError
from common.europeana.record_list import open_list
from common.store.session import open_store
from worker import jobs
from worker.commands.options import console
from worker.jobs import JobOptions
from worker.record_lists import (
    RejectedLines,
    dataset_record_ids,
    read_record_ids,
    refuse_rejected,
)


def enqueue(
    file: Annotated[
        Path | None, typer.Argument(help="one record ID a line; - for standard input")
    ] = None,
    name: Annotated[str | None, typer.Option(help="enqueue the records of this dataset")] = None,
    priority: Annotated[Literal["urgent", "bulk"], typer.Option()] = "bulk",
    picture: Annotated[
        Literal["thumbnail", "media", "auto"],
        typer.Option(
            help="what to look at: Europeana's thumbnail, the provider's file, or the file with "
            "the thumbnail as fallback"
        ),
    ] = "auto",
    idempotency_key: Annotated[
        str | None, typer.Option(help="the same key again makes no second job")
    ] = None,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="leave out lines that hold no record ID")
    ] = False,
) -> None:
    """Make a job of record IDs, item URIs or portal URLs; prints its ID.

    Examples: worker enqueue ids.txt · cat ids.txt | worker enqueue - · worker enqueue --name
    dataset_3000
    """
    if (file is None) == (name is None):
        raise UsageError("Give either a file (- for standard input) or --name DATASET.")
    options = JobOptions(priority=priority, picture=picture, idempotency_key=idempotency_key)
    if name is not None:
        engine = open_store()
        _report(jobs.enqueue(engine, dataset_record_ids(engine, name), options), RejectedLines())
        return
    rejected = RejectedLines()
    with open_list(str(file)) as lines:
        record_ids = read_record_ids(lines, rejected)
        if not skip_invalid:
            record_ids = refuse_rejected(record_ids, rejected)
        _report(jobs.enqueue(open_store(), record_ids, options), rejected)


def _report(accepted: jobs.Accepted, rejected: RejectedLines) -> None:
    if rejected.count:
        console.print(f"{rejected.count} lines left out:\n  {rejected}", markup=False)
    if accepted.already_known:
        console.print("A job with this idempotency key exists; nothing was added.")
    else:
        duplicates = f", {accepted.duplicates:,} duplicates left out" * bool(accepted.duplicates)
        console.print(f"{accepted.total:,} records enqueued{duplicates}.")
    typer.echo(accepted.job_id)
