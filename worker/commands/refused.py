"""`worker refused`."""

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from common.process.console import SafeConsole
from common.store.refused_messages import Refusal, list_refused
from common.store.session import open_store

NARROWEST = 132  # columns, if the output is no terminal
SHOWN = 40  # characters of a body


def refused(
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON array, with all that is kept of each")
    ] = False,
) -> None:
    """List the messages that workers refused, the latest first: not of our form, or unknown tasks.

    A message that came again and again is one row. At most 1,000 are kept, the beginning of each.
    """
    refusals = list_refused(open_store())
    if as_json:
        typer.echo(json.dumps([refusal.as_json() for refusal in refusals]))
    else:
        _show(refusals)


def _show(refusals: Sequence[Refusal]) -> None:
    console = SafeConsole(highlight=False)
    console.width = max(console.width, NARROWEST)
    table = Table(box=None, pad_edge=False)
    for heading in ("last", "queue", "body"):
        table.add_column(heading, no_wrap=True)
    table.add_column("times", justify="right", no_wrap=True)
    table.add_column("problem")
    for refusal in refusals:
        last, body = f"{refusal.last_at:%Y-%m-%d %H:%M:%S%z}", refusal.body[:SHOWN]
        table.add_row(last, refusal.queue, body, f"{refusal.times:,}", refusal.problem)
    console.print(table)
