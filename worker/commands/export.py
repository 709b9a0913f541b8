"""`worker export`: arguments only."""

from functools import partial
from typing import Annotated, Literal

import typer

from common.errors import UsageError
from common.store.session import open_store
from worker.commands.options import console
from worker.exports import files
from worker.exports.asking import read_arguments
from worker.exports.parquet import write_parquet
from worker.exports.selection import Selection, is_unfinished
from worker.exports.texts import Target, write_csv, write_edm, write_jsonld

Format = Literal["csv", "jsonld", "edm", "parquet"]


def export(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[JOB] [FILE]",
            help="a job's ID, where neither --model nor --since is given; then the file, or - or "
            "nothing for standard output",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[@VERSION]", help="all enrichments of a model, of one version or of all"
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="all enrichments written or changed at or after a time of the database, ISO 8601, "
            "UTC where it names no zone; with --model those of the model. Go back a few minutes "
            "more than needed: a transaction counts from its start",
        ),
    ] = None,
    file_format: Annotated[
        Format,
        typer.Option(
            "--format",
            help="a table; W3C annotations, a line the batch of one request to the Annotation "
            "API; EDM as RDF/XML; a table with types and all columns",
        ),
    ] = "csv",
    target: Annotated[
        Target | None,
        typer.Option(
            help="of annotations: the record, or its image where the provider's own file was "
            "seen  [default: record]"
        ),
    ] = None,
) -> None:
    """Write enrichments to a file: those of a JOB, of a --model, or --since a time.

    Examples: worker export JOB enrichments.csv · worker export --model vases@2 --format parquet
    vases.parquet · worker export --since 2026-11-23T22:00Z --format jsonld annotations.jsonl
    """
    asked = read_arguments(places or [], model=model, since=since)
    write = _writer(file_format, asked.selection, target)
    engine = open_store()
    job = asked.selection.job
    if job and is_unfinished(engine, job):
        console.print("The job is not finished: more enrichments may follow.")
    count = files.export(engine, asked.selection, asked.file, write)
    console.print(f"{count:,} enrichments written to {asked.file}.", markup=False)


def _writer(file_format: Format, selection: Selection, target: Target | None) -> files.Write:
    if target and file_format != "jsonld":
        raise UsageError(f"--target is for --format jsonld; {file_format} has none.")
    writers: dict[Format, files.Write] = {
        "csv": write_csv,
        "jsonld": partial(write_jsonld, target=target or "record"),
        "edm": write_edm,
        "parquet": partial(write_parquet, asked=selection.asked()),
    }
    return writers[file_format]
