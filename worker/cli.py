"""The command `worker`: arguments only."""

import json
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import typer
from rich.console import Console

from common.command import command_group
from common.errors import UsageError
from common.europeana.record_list import open_list
from common.files import output_stream
from common.store.session import open_store
from worker import export as exporting
from worker import jobs
from worker.jobs import JobOptions
from worker.record_lists import (
    RejectedLines,
    dataset_record_ids,
    read_record_ids,
    refuse_rejected,
)
from worker.watch import show_status, watch_job

app = command_group(
    "Predicts concepts for records: enqueue record IDs, run workers, watch, export."
)
console = Console(stderr=True, highlight=False)

JobId = Annotated[UUID, typer.Argument(metavar="JOB", help="the ID that enqueue printed")]


@app.command()
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


@app.command()
def run() -> None:
    """Work on jobs until stopped; SIGTERM or Ctrl-C gives unfinished chunks back.

    Needs DATABASE_URL, BROKER_URL, EUROPEANA_API_KEY and MODEL_DIR.
    """
    from worker.process import run_worker  # noqa: PLC0415 - the other commands need no torch

    raise typer.Exit(run_worker())


@app.command()
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


@app.command()
def export(
    job: JobId,
    file: Annotated[Path, typer.Argument(help="- for standard output")] = Path("-"),
    file_format: Annotated[
        Literal["csv", "jsonld"],
        typer.Option("--format", help="a table, or W3C annotations for the Annotation API"),
    ] = "csv",
) -> None:
    """Write the enrichments of a job to a file."""
    engine = open_store()
    current = jobs.status(engine, job)
    if current.waiting:
        console.print(f"The job is not finished: {current.waiting:,} records are still waiting.")
    write = exporting.write_csv if file_format == "csv" else exporting.write_jsonld
    with output_stream(str(file)) as out:
        count = write(exporting.job_enrichments(engine, job), out)
    console.print(f"{count:,} enrichments written to {file}.", markup=False)


def main() -> None:
    """Run the command line."""
    app()
