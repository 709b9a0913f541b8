"""The console, on a terminal and off it."""

import io
import re

import pytest
from rich.live import Live
from rich.table import Table
from rich.text import Text

from common.process.terminal.console import SafeConsole

HOSTILE = "Mus\x1b]0;owned\x1b\\eum \x1b[2J\x9b2J \u202eevil [blink]x[/blink] [/] :smile:"
OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def terminal() -> tuple[SafeConsole, io.StringIO]:
    stream = io.StringIO()
    return SafeConsole(
        file=stream, force_terminal=True, width=160, color_system="truecolor"
    ), stream


def table() -> Table:
    table = Table("name", "records", title=HOSTILE)
    table.add_row(HOSTILE, "1")
    table.add_row(Text(HOSTILE), "2", style="bold")
    return table


@pytest.mark.parametrize("shown", [HOSTILE, Text(HOSTILE), table()], ids=["str", "Text", "Table"])
def test_a_text_orders_nothing_and_is_shown_whole(shown: object) -> None:
    console, stream = terminal()
    console.print(shown)
    written = stream.getvalue()
    assert "\x1b[2J" not in written
    plain = OURS.sub("", written)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", plain)
    assert r"Mus\x1b]0;owned\x1b\eum \x1b[2J\x9b2J \u202eevil [blink]x[/blink] [/] :smile:" in plain


def test_columns_of_a_table_stay_straight() -> None:
    console, stream = terminal()
    table = Table("name", "records")
    table.add_row(HOSTILE, "1")
    table.add_row("Museum", "2")
    console.print(table)
    assert len({len(line) for line in OURS.sub("", stream.getvalue()).splitlines()}) == 1


def test_rich_itself_may_still_move_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")  # a dumb terminal moves no cursor
    console, stream = terminal()
    with Live(Text("working"), console=console, transient=True, auto_refresh=False) as live:
        live.update(Text("done"), refresh=True)
    assert "\x1b[2K" in stream.getvalue()


def test_markup_is_read_where_it_is_asked_for() -> None:
    console, stream = terminal()
    console.print("[bold]x[/]", markup=True)
    assert "\x1b[1mx" in stream.getvalue()
