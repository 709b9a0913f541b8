"""Arguments and the console that several commands share."""

from typing import Annotated
from uuid import UUID

import typer

from common.process.terminal.console import SafeConsole

console = SafeConsole(stderr=True, highlight=False)

JobId = Annotated[UUID, typer.Argument(metavar="JOB", help="the ID that enqueue printed")]
