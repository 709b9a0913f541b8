"""`desk verdicts`: verdicts from other tools, and for them."""

from pathlib import Path
from typing import Annotated

import typer

from common.files import replacing
from common.process.terminal.command import command_group
from common.process.terminal.console import SafeConsole
from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.process.terminal.shared_options import Force, check_output_file
from common.store.session import open_store
from desk.review.exchange.foreign_verdict import ItemFate
from desk.review.exchange.importing import VerdictImport, import_verdicts
from desk.review.exchange.own_lines import write_verdicts

console = SafeConsole(stderr=True, highlight=False)
verdicts = command_group("Exchange verdicts of reviewers with other tools.")


@verdicts.command("import")
@prints(VerdictImport)
def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            help="An export of Label Studio (JSON) or CrowdHeritage (JSON-LD), or a file from "
            "`desk verdicts export`."
        ),
    ],
    report: Annotated[
        Path | None,
        typer.Option(
            help="CSV file that reports what happened to each item. Default: in the current "
            "folder, the name of FILE with the ending .report.csv."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Save the verdicts of other tools, and report what happened to each verdict.

    Models learn from these verdicts as from all other verdicts. These verdicts belong to no audit.
    A second import of the same file adds no verdict. Each reviewer gets an account that cannot log
    in.

    Example: desk verdicts import project-5.json
    """
    path = report or Path(f"{file.stem}.report.csv")
    done = import_verdicts(open_store(), file, report_path=path)
    if as_json:
        print_json(done, VerdictImport)
        return
    listing = Listing("verdicts", "what happened", numbers=("verdicts",))
    for fate in ItemFate:
        if fate in done.fates:
            listing.add(f"{done.fates[fate]:,}", fate)
    listing.print()
    console.print(f"The report about each item is in {path}", soft_wrap=True)


@verdicts.command("export")
def export_file(
    file: Annotated[Path, typer.Argument(help="File to write: JSON, one verdict per line.")],
    force: Force = False,
) -> None:
    """Write all verdicts that are not replaced and belong to no audit.

    Example: desk verdicts export verdicts.jsonl
    """
    check_output_file(str(file), force=force)
    with replacing(file) as unfinished, unfinished.open("wb") as stream:
        count = write_verdicts(open_store(), stream)
    console.print(f"{counted(count, 'verdict')} written to {file}", soft_wrap=True)
