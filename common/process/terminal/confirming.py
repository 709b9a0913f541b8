"""Questions before something is removed: asked at a terminal, answered by --yes elsewhere."""

import sys
from typing import Annotated

import typer

from common.errors import EnrichmentError, UsageError

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def confirm(question: str) -> None:
    """Ask, and go on after a yes.

    Raises:
        UsageError: standard input is no terminal, so there is no one to ask.
        EnrichmentError: the answer is no.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{question} This is not a terminal, so confirm with --yes.")
    if not typer.confirm(question, err=True):
        raise EnrichmentError("You did not confirm, so no data was removed.")
