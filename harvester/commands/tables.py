"""`harvester export` and `harvester import`: arguments only."""

from pathlib import Path
from typing import Annotated

import typer

from common.errors import EnrichmentError, UsageError
from common.process.terminal.console import SafeConsole
from common.process.terminal.counting import counted
from common.process.terminal.listing import Listing
from common.process.terminal.next_step import next_step
from common.store.session import open_store
from harvester.commands.options import (
    DatasetName,
    RenameLabels,
    VocabJson,
    VocabularyName,
    chosen_vocabulary,
)
from harvester.tables.csv_export import COLUMNS, export_dataset
from harvester.tables.csv_import import ImportOutcome, import_dataset
from harvester.tables.fates import FATES, Fate


def export(
    name: DatasetName,
    target: Annotated[str, typer.Argument(help="File to write, or - for standard output.")],
) -> None:
    """Write a dataset as CSV: category, skos_concept, URI, URL and ID of each record.

    If a record has several categories, they are separated by spaces. The lines are sorted by ID.

    Example: harvester export --dataset dataset_3000 dataset_3000.csv
    """
    export_dataset(open_store(), name, target)


AcceptRepairs = Annotated[
    bool,
    typer.Option(
        "--accept-repairs",
        help="Replace a misspelt label with the most similar label. Without this option, the "
        "line is rejected.",
    ),
]


Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="OURS=NAME",
        help="The name of a column in your table, for example category=Kategorie. Repeat the "
        "option for several columns.",
    ),
]


def import_table(
    file: Annotated[
        Path,
        typer.Argument(
            help="Table with a header: CSV or Excel (.xlsx). Only the first sheet is read."
        ),
    ],
    name: DatasetName,
    vocab_json: VocabJson = Path("vocabulary.json"),
    vocabulary: VocabularyName = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="CSV file that reports what happened to each line. Default: in the current "
            "folder, the name of FILE with the ending .report.csv."
        ),
    ] = None,
    column: Columns = None,
    accept_repairs: AcceptRepairs = False,
    rename_labels: RenameLabels = False,
) -> None:
    """Read records and labels from a table into a dataset, and report what happened to each line.

    The columns are ID or URI, category or skos_concept, and URL. For other names, use --column. CSV
    is UTF-8; other lines are read as Latin-1, with a warning. A line is accepted, repaired (if its
    meaning is clear) or rejected. A record on several lines gets the labels of all these lines. If
    a cell has line breaks, the report gives the first line of its row.

    The import does not overwrite harvested values. A second import of the same file changes
    nothing. Records are added to an existing dataset.

    Examples: harvester import eval_dataset.csv --dataset eval · harvester import museum.xlsx
    --dataset museum --column category=Kategorie --column ID=Nummer
    """
    report = report or Path(f"{file.stem}.report.csv")
    outcome = import_dataset(
        open_store(),
        file,
        name,
        chosen_vocabulary(vocab_json, vocabulary),
        report_path=report,
        rename=rename_labels,
        accept_repairs=accept_repairs,
        columns=_named_columns(column or []),
    )
    _report_fates(outcome, name, report)
    if not outcome.usable:
        raise EnrichmentError(f"No line of {file} was accepted. The reasons are in {report}")


def _named_columns(given: list[str]) -> dict[str, str]:
    """The names in the table by our names."""
    ours = {column.lower(): column for column in COLUMNS}
    named: dict[str, str] = {}
    for each in given:
        column, _, name = each.partition("=")
        key = ours.get(column.strip().lower())
        if key is None or key in named or not name.strip():
            raise UsageError(
                f"--column {each!r} must be OURS=NAME, such as category=Kategorie. Give each "
                f"of these columns at most once: {', '.join(COLUMNS)}."
            )
        named[key] = name
    return named


def _report_fates(outcome: ImportOutcome, name: str, report: Path) -> None:
    console = SafeConsole()
    fates = Listing("lines", "fate", numbers=("lines",))
    for fate in FATES:
        fates.add(f"{outcome.fates[fate]:,}", fate)
    fates.add(f"{outcome.fates.total():,}", "all", style="bold")
    fates.print()
    if outcome.findings:
        console.print()
        findings = Listing(
            "lines", "fate", "column", "what", numbers=("lines",), texts=("column", "what")
        )
        for (fate, column, what), lines in sorted(outcome.findings.items(), key=_frequent_first):
            findings.add(f"{lines:,}", fate, column, what)
        findings.print()
    if outcome.recoded:
        are = counted(outcome.recoded, "line is", "lines are")
        console.print(
            f"Warning: {are} not in UTF-8. Latin-1 was used instead. If the dataset has wrong "
            "letters, save the table as CSV in UTF-8 and import it again.",
            soft_wrap=True,
        )
    if outcome.moved:
        console.print(f"{outcome.moved:,} lines have a former ID of a record.")
    if outcome.usable:
        console.print(f"Dataset {name} has {outcome.records:,} records now.")
    console.print(f"What happened to each line is in {report}", soft_wrap=True)
    if outcome.usable:
        next_step(f"harvester images --dataset {name}")


def _frequent_first(finding: tuple[tuple[Fate, str, str], int]) -> tuple[int, int, str, str]:
    (fate, column, what), lines = finding
    return FATES.index(fate), -lines, column, what
