"""Questions before something is removed: asked at a terminal, answered by --yes elsewhere."""

import sys
from typing import Annotated

import typer

from common.errors import EnrichmentError, UsageError

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


def confirm(question: str) -> None:
    """Ask, and go on after a yes.

    Raises:
        UsageError: nobody can be asked, since standard input is no terminal.
        EnrichmentError: the answer is no.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody can be asked here: confirm with --yes.")
    if not typer.confirm(question, err=True):
        raise EnrichmentError("Nothing was removed.")
