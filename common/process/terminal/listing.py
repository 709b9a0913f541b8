"""Lists that commands print: a table where it fits the terminal, else a block of lines a row.

Standard output that is no terminal gets each row whole, on one line, however long.
"""

from collections.abc import Collection

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from common.process.foreign_text import visible
from common.process.terminal.console import SafeConsole

_UNLIMITED = 100_000  # columns
_NARROWEST = 16  # columns of a column whose text may be folded


class Listing:
    """Rows under headings.

    Args:
        numbers: headings of the columns that stand to the right.
        texts: headings of the columns whose words may be folded into several lines.
    """

    def __init__(
        self, *headings: str, numbers: Collection[str] = (), texts: Collection[str] = ()
    ) -> None:
        self._headings = headings
        self._numbers = numbers
        self._texts = texts
        self._rows: list[tuple[tuple[str, ...], str]] = []

    def add(self, *cells: str, style: str = "") -> None:
        self._rows.append((cells, style))

    def print(self) -> None:
        console = SafeConsole(highlight=False)
        if console.is_terminal:
            console.print(self)
            return
        console.width = _UNLIMITED
        with console.capture() as capture:
            console.print(self)
        for line in capture.get().splitlines():
            console.out(line.rstrip(), highlight=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = self._table()
        if self._fits(table, console, options):
            yield table
        else:
            yield self._blocks()

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for heading in self._headings:
            is_text = heading in self._texts
            table.add_column(
                heading,
                justify="right" if heading in self._numbers else "left",
                no_wrap=not is_text,
                overflow="fold",
                min_width=min(_NARROWEST, self._width(heading)) if is_text else None,
            )
        for cells, style in self._rows:
            table.add_row(*cells, style=style)
        return table

    def _width(self, heading: str) -> int:
        place = self._headings.index(heading)
        return max(len(heading), *(len(cells[place]) for cells, _ in self._rows), 0)

    def _fits(self, table: Table, console: Console, options: ConsoleOptions) -> bool:
        wide = options.update(width=_UNLIMITED, max_width=_UNLIMITED)
        return Measurement.get(console, wide, table).minimum <= options.max_width

    def _blocks(self) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for number, (cells, _) in enumerate(self._rows):
            if number:
                table.add_row()
            for heading, cell in zip(self._headings, cells, strict=True):
                if cell:
                    table.add_row(heading, Text(visible(cell)))
        return table
