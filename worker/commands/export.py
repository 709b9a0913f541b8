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
from worker.exports.promises import promises_of, told
from worker.exports.selection import Selection, is_unfinished
from worker.exports.texts import Target, write_csv, write_edm, write_jsonld

Format = Literal["csv", "jsonld", "edm", "parquet"]
Places = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[JOB] [FILE]",
        help="a job's ID, unless --model or --since is given; then the file, or - or nothing for "
        "standard output",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[@VERSION]", help="all enrichments of a model: of one version, or of all"
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="all enrichments written or changed since a time of the database, in ISO 8601, UTC "
        "if it names no zone; with --model only those of the model. Go back a few minutes more "
        "than needed, because a transaction counts from its start",
    ),
]
FileFormat = Annotated[
    Format,
    typer.Option(
        "--format",
        help="csv: a table; jsonld: W3C annotations, one request to the Annotation API a line; "
        "edm: EDM as RDF/XML; parquet: a table with types and all columns",
    ),
]
AnnotationTarget = Annotated[
    Target | None,
    typer.Option(
        help="what annotations are about: the record, or its image if the provider's own file was "
        "seen  [default: record]"
    ),
]


def export(
    places: Places = None,
    model: Model = None,
    since: Since = None,
    file_format: FileFormat = "csv",
    target: AnnotationTarget = None,
) -> None:
    """Write enrichments to a file: those of a JOB, of a --model, or --since a time.

    Examples: worker export JOB enrichments.csv · worker export --model vases@2 --format parquet
    vases.parquet · worker export --since 2026-11-23T22:00Z --format jsonld annotations.jsonl
    """
    asked = read_arguments(places or [], model=model, since=since)
    engine = open_store()
    promises = promises_of(engine, asked.selection)
    write = _writer(file_format, asked.selection, target, told(promises))
    job = asked.selection.job
    if job and is_unfinished(engine, job):
        console.print("The job is not finished: more enrichments may follow.")
    exported = files.export(engine, asked.selection, asked.file, write)
    console.print(f"{exported.written:,} enrichments written to {asked.file}.", markup=False)
    if exported.left_out:
        console.print(f"{exported.left_out:,} are left out, since decisions block them.")
    for line in told(promises):
        console.print(line, markup=False, soft_wrap=True)


def _writer(
    file_format: Format, selection: Selection, target: Target | None, promises: list[str]
) -> files.Write:
    if target and file_format != "jsonld":
        raise UsageError(f"--target goes with --format jsonld, not with {file_format}.")
    writers: dict[Format, files.Write] = {
        "csv": write_csv,
        "jsonld": partial(write_jsonld, target=target or "record"),
        "edm": write_edm,
        "parquet": partial(write_parquet, asked=selection.asked(), promises=promises),
    }
    return writers[file_format]
