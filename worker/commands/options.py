"""Arguments and the console that several commands share."""

from typing import Annotated

import typer

from common.process.terminal.console import SafeConsole

console = SafeConsole(stderr=True, highlight=False)

JobRef = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="The job: its ID, the start of its ID, its name, or last for the newest.",
    ),
]
