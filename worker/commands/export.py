"""`worker export`: arguments only."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, BinaryIO
from uuid import UUID

import typer
from sqlalchemy import Engine

from common.errors import UsageError
from common.files import STANDARD_OUTPUT, standard_output
from common.process.settings.services import ApiAddressSettings
from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.shared_options import Force, Languages, check_output_file
from common.store.session import open_store
from common.vocabulary.languages import checked_languages
from worker.commands.options import console
from worker.exports import files
from worker.exports.asking import Asked, Format, read_arguments
from worker.exports.differences import differences
from worker.exports.files import Exported
from worker.exports.formats.crowdheritage import write_crowdheritage
from worker.exports.formats.label_studio import write_tasks
from worker.exports.formats.parquet import write_parquet
from worker.exports.formats.texts import AnnotationTarget, write_csv, write_edm, write_jsonld
from worker.exports.labels import ExportLabels
from worker.exports.promises import ModelPromise, promises_of, told
from worker.exports.rows import EnrichmentRow
from worker.exports.selection import Selection
from worker.exports.to_come import is_to_come, is_unfinished

Places = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="JOB FILE",
        help="First the job: its ID, the start of its ID, its name, or last for the newest. With "
        "--model or --since, give no job. Then the file to write. Without a file, or with "
        "-, the command writes to standard output.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[@VERSION]", help="All enrichments of a model. NAME alone means all versions."
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="All enrichments that were written or changed since this time, by the clock of the "
        "database. Write the time in ISO 8601. Without a time zone, it is UTC. Choose a "
        "time that is a few minutes earlier than you need, because a transaction counts "
        "from its start. With --model, you get only the enrichments of this model. In EDM, "
        "you also get enrichments whose verdict or block changed. A second file, such as "
        "delta.removed.rdf, lists the statements to remove.",
    ),
]
FileFormat = Annotated[
    Format | None,
    typer.Option(
        "--format",
        help="csv: a table. jsonld: W3C annotations, one page per line. edm: EDM as RDF/XML. "
        "parquet: a table with types and all columns. label-studio: tasks. A second file, "
        "such as tasks.config.xml, has the labelling configuration. crowdheritage: base "
        "annotations of a campaign. Default: the format of the file name, or csv.",
    ),
]
TargetOption = Annotated[
    AnnotationTarget | None,
    typer.Option(
        help="What the annotations describe. record: the record. image: the image, if the model "
        "saw the provider's own file. Default: record."
    ),
]


WithWrong = Annotated[
    bool,
    typer.Option(
        "--with-wrong",
        help=(
            "Also export enrichments that more reviewers called wrong than right. The column "
            "`verdict` shows this."
        ),
    ),
]

ConfirmedOnly = Annotated[
    bool,
    typer.Option(
        "--confirmed-only",
        help=(
            "Export only enrichments that reviewers called right. You can use this with every "
            "format."
        ),
    ),
]


@prints(Exported)
def export(
    places: Places = None,
    model: Model = None,
    since: Since = None,
    file_format: FileFormat = None,
    target: TargetOption = None,
    with_wrong: WithWrong = False,
    confirmed_only: ConfirmedOnly = False,
    lang: Languages = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write the enrichments of a job or a model, or all new enrichments, to a file.

    The ending of the file name gives the format: .csv, .jsonl, .rdf or .parquet. With --json, the
    command prints the number of written enrichments. For this, you must name a file.

    Examples: worker export last enrichments.csv · worker export --model vases@2 vases.parquet ·
    worker export --since 2026-11-23T22:00Z delta.rdf
    """
    asked = read_arguments(
        places or [],
        model=model,
        since=since,
        file_format=file_format,
        confirmed_only=confirmed_only,
    )
    wanted = [] if lang is None else checked_languages(lang)
    if with_wrong and confirmed_only:
        raise UsageError("Give either --with-wrong or --confirmed-only.")
    _check_output(asked, force=force, as_json=as_json)
    engine = open_store()
    selection = asked.selection(engine)
    promises = promises_of(engine, selection)
    write = _writer(asked.file_format, selection, target, told(promises))
    _print_what_may_come(engine, selection.job, asked.since)
    exported = files.export(
        engine,
        selection,
        asked.files,
        write,
        config_file=asked.config_file,
        with_wrong=with_wrong,
        wanted=wanted,
    )
    if as_json:
        print_json(exported, Exported)
    _print_counts(exported, asked)
    _print_remarks(engine, selection, promises)


def _print_remarks(
    engine: Engine, selection: Selection, promises: Mapping[str, ModelPromise]
) -> None:
    remarks = differences(engine, selection.job) if selection.job else []
    for line in (*remarks, *told(promises)):
        console.print(line, soft_wrap=True)
    if any(each.certificates for each in promises.values()):
        console.print(
            "A certificate is about all enrichments of its audit. This export may leave out some "
            "of them."
        )


def _print_what_may_come(engine: Engine, job: UUID | None, since: datetime | None) -> None:
    if since and is_to_come(engine, since):
        console.print(
            f"{since:%Y-%m-%d %H:%M} UTC is in the future, so the export has no enrichment."
        )
    if job and is_unfinished(engine, job):
        console.print("The job is not finished: more enrichments may follow.")


def _print_counts(exported: Exported, asked: Asked) -> None:
    where = "standard output" if exported.file == STANDARD_OUTPUT else exported.file
    written = counted(exported.written, "enrichment")
    console.print(f"{written} written to {where} ({asked.file_format}).", soft_wrap=True)
    if exported.removed is not None:
        statements = counted(exported.removed, "statement")
        console.print(f"{statements} to remove: {exported.removed_file}", soft_wrap=True)
    elif asked.is_delta:
        console.print(
            "Standard output cannot hold the statements to remove. To get these statements, give "
            "a FILE."
        )
    if exported.config_file:
        console.print(f"Labelling configuration: {exported.config_file}", soft_wrap=True)
    if exported.left_out:
        are = counted(exported.left_out, "is", "are")
        console.print(f"{are} left out, because decisions block them.")
    if exported.wrong:
        are = counted(
            exported.wrong,
            "is left out, because reviewers call it wrong",
            "are left out, because reviewers call them wrong",
        )
        console.print(f"{are}. To export them too: --with-wrong", soft_wrap=True)


def _check_output(asked: Asked, *, force: bool, as_json: bool) -> None:
    if asked.file == STANDARD_OUTPUT:
        if as_json:
            raise UsageError(
                "With --json, give a FILE, because standard output cannot hold the export and "
                "the JSON."
            )
        if standard_output().isatty() and asked.file_format == "parquet":
            raise UsageError(
                "Parquet is not a text, so it is not written to a terminal. Give a FILE."
            )
    for file in [*asked.files, *filter(None, [asked.config_file])]:
        check_output_file(file, force=force)


def _write_tasks(rows: Iterable[EnrichmentRow], stream: BinaryIO, labels: ExportLabels) -> int:
    api_url = ApiAddressSettings.read().europeana_api_url
    return write_tasks(rows, stream, labels, api_url=api_url)


def _writer(
    file_format: Format, selection: Selection, target: AnnotationTarget | None, promises: list[str]
) -> files.Write:
    if target and file_format != "jsonld":
        raise UsageError(f"You can use --target with --format jsonld, but not with {file_format}.")
    writers: dict[Format, files.Write] = {
        "csv": write_csv,
        "jsonld": partial(write_jsonld, target=target or "record"),
        "edm": write_edm,
        "label-studio": _write_tasks,
        "crowdheritage": write_crowdheritage,
        "parquet": partial(write_parquet, asked=selection.asked(), promises=promises),
    }
    return writers[file_format]
