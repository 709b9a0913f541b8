"""The rows of a table that was made by hand, read one at a time in bounded memory.

This is about CSV; `spreadsheet` is about Excel.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, TextIO

from common.errors import UsageError
from common.files import open_given
from common.process.foreign_text import unguard_cell
from harvester.tables.spreadsheet import OLD_SPREADSHEET, SPREADSHEET, read_sheet
from harvester.tables.table_row import MAX_ROW, TableRow

_DELIMITERS = ",;\t"  # the first of those that are equally frequent
_QUOTED = re.compile(r'"[^"]*"')
_UNDECODED = re.compile("[\udc80-\udcff]")


def read_rows(path: Path) -> Iterator[TableRow]:
    """The rows of a file, header included, with or without BOM and CRLF.

    Cells are divided by commas, or by semicolons or tabs if the header has more of those: Excel
    writes semicolons where the comma is a decimal point. A line that is not UTF-8 is read as
    Windows-1252, which is Latin-1 with more signs; its row is marked. Of an Excel file, the first
    sheet is read.

    Raises:
        UsageError: the file cannot be read, or has NUL characters, bytes of another encoding, a row
            that is too long or a quote that is never closed; names the line.
    """
    try:
        with open_given(path) as content:
            begins = content.peek(4)[:4]
            if begins == OLD_SPREADSHEET:
                raise UsageError(f"{path} is an old Excel file. Save it as .xlsx or CSV.")
            yield from (_sheet_rows if begins == SPREADSHEET else _text_rows)(path, content)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


def _sheet_rows(path: Path, content: BinaryIO) -> Iterator[TableRow]:
    for row in read_sheet(path, content):
        yield replace(row, cells=tuple(map(unguard_cell, row.cells)))


def _text_rows(path: Path, content: BinaryIO) -> Iterator[TableRow]:
    with io.TextIOWrapper(
        content, encoding="utf-8-sig", errors="surrogateescape", newline=""
    ) as stream:
        lines = _Lines(path, stream)
        reader = csv.reader(lines, delimiter=lines.delimiter(), strict=True)
        while (row := _next_row(reader, lines)) is not None:
            yield row


def _next_row(reader: Iterator[list[str]], lines: "_Lines") -> TableRow | None:
    first = lines.begin_row()
    try:
        cells = next(reader, None)
    except csv.Error as error:
        if lines.ended:
            raise lines.error("the quote that begins here has no end", first) from error
        advice = f"{error}; inside a quoted cell, write each quote twice"
        return TableRow(first, (), ("broken quotes", advice))
    if cells is None:
        return None
    return TableRow(first, tuple(map(unguard_cell, cells)), is_recoded=lines.recoded)


class _Lines:
    """The lines of a stream; refuses rows of more than MAX_ROW characters."""

    def __init__(self, path: Path, stream: TextIO) -> None:
        self._path = path
        self._stream = stream
        self._number = 0
        self._first = 1
        self._room = MAX_ROW
        self._ahead = ""
        self.recoded = False  # whether the row has a line that is not UTF-8
        self.ended = False

    def delimiter(self) -> str:
        """The sign that divides the cells of the header; reads the first line ahead."""
        self._ahead = self._stream.readline(MAX_ROW + 1)
        return max(_DELIMITERS, key=_QUOTED.sub("", self._ahead).count)

    def begin_row(self) -> int:
        """Expect a new row; returns the number of its first line."""
        self._room = MAX_ROW
        self._first = self._number + 1
        self.recoded = False
        return self._first

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead or self._stream.readline(self._room + 1)
        self._ahead = ""
        if not line:
            self.ended = True
            raise StopIteration
        self._number += 1
        self._room -= len(line)
        if self._room < 0:
            raise self.error(
                f"the row that begins here has more than {MAX_ROW:,} characters; "
                "perhaps a quote is not closed, or the file is not a table.",
                self._first,
            )
        if "\0" in line:
            raise self.error(
                "there is a NUL character; save the table as CSV in UTF-8", self._number
            )
        return self._recoded(line) if _UNDECODED.search(line) else line

    def _recoded(self, line: str) -> str:
        self.recoded = True
        try:
            return line.encode("utf-8", "surrogateescape").decode("windows-1252")
        except UnicodeDecodeError as error:
            what = "some bytes are neither UTF-8 nor Latin-1; save the table as CSV in UTF-8"
            raise self.error(what, self._number) from error

    def error(self, what: str, line: int) -> UsageError:
        return UsageError(f"{self._path}, line {line:,}: {what}.")
