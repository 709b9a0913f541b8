"""`worker export`: arguments only."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from common.files import output_stream
from common.store.session import open_store
from worker import export as exporting
from worker import jobs
from worker.commands.options import JobId, console


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
