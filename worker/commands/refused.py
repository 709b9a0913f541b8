"""`worker refused`."""

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from common.process.terminal.console import SafeConsole
from common.store.refused_messages import Refusal, list_refused
from common.store.session import open_store

NARROWEST = 132  # columns, if the output is no terminal


def refused(
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON array, with all that is kept of each")
    ] = False,
) -> None:
    """List the messages that workers refused, the latest first: not of our form, or unknown tasks.

    A message that came again and again is one row. At most 1,000 are kept. Bodies are not, since
    they may hold passwords: only their size and, with --json, their sha256, who sent them and when.
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
    for heading in ("last", "queue", "task"):
        table.add_column(heading, no_wrap=True)
    for heading in ("bytes", "times"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("problem")
    for refusal in refusals:
        last, task = f"{refusal.last_at:%Y-%m-%d %H:%M:%S%z}", refusal.known_headers.get("task")
        counts = (f"{refusal.size:,}", f"{refusal.times:,}")
        table.add_row(last, refusal.queue, task, *counts, refusal.problem)
    console.print(table)
