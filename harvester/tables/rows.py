"""The rows of a CSV file that was made by hand, read one at a time in bounded memory."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from common.errors import UsageError
from common.files import open_given
from common.process.foreign_text import unguard_cell

MAX_ROW = 100_000  # characters; the csv module refuses cells of more than 131,072

_DELIMITERS = ",;\t"  # the first of those that are equally frequent
_QUOTED = re.compile(r'"[^"]*"')
_NUL_OR_UNDECODED = re.compile("[\x00\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row and the line on which it begins, from 1; a row may have several lines.

    `problem` says why there are no cells: the quotes are malformed.
    """

    line: int
    cells: tuple[str, ...]
    problem: str = ""


def read_rows(path: Path) -> Iterator[TableRow]:
    """The rows of a file, header included, with or without BOM and CRLF.

    Cells are divided by commas, or by semicolons or tabs if the header has more of those: Excel
    writes semicolons where the comma is a decimal point.

    Raises:
        UsageError: the file cannot be read, is not UTF-8, or has NUL characters, a row that is too
            long or a quote that is never closed; names the line.
    """
    try:
        content = open_given(path)
        with io.TextIOWrapper(
            content, encoding="utf-8-sig", errors="surrogateescape", newline=""
        ) as stream:
            lines = _Lines(path, stream)
            reader = csv.reader(lines, delimiter=lines.delimiter(), strict=True)
            while (row := _next_row(reader, lines)) is not None:
                yield row
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


def _next_row(reader: Iterator[list[str]], lines: "_Lines") -> TableRow | None:
    first = lines.begin_row()
    try:
        cells = next(reader, None)
    except csv.Error as error:
        if lines.ended:
            raise lines.error("a quote that begins here is never closed", first) from error
        return TableRow(first, (), f"{error}; expected every quote within a quoted cell doubled")
    return None if cells is None else TableRow(first, tuple(map(unguard_cell, cells)))


class _Lines:
    """The lines of a stream; refuses rows of more than MAX_ROW characters."""

    def __init__(self, path: Path, stream: TextIO) -> None:
        self._path = path
        self._stream = stream
        self._number = 0
        self._first = 1
        self._room = MAX_ROW
        self._ahead = ""
        self.ended = False

    def delimiter(self) -> str:
        """The sign that divides the cells of the header; reads the first line ahead."""
        self._ahead = self._stream.readline(MAX_ROW + 1)
        return max(_DELIMITERS, key=_QUOTED.sub("", self._ahead).count)

    def begin_row(self) -> int:
        """Expect a new row; returns the number of its first line."""
        self._room = MAX_ROW
        self._first = self._number + 1
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
                "is a quote not closed, or is this no table?",
                self._first,
            )
        if bad := _NUL_OR_UNDECODED.search(line):
            what = "a NUL character" if bad[0] == "\0" else "bytes that are not UTF-8"
            raise self.error(f"{what}; save the table as CSV in UTF-8", self._number)
        return line

    def error(self, what: str, line: int) -> UsageError:
        return UsageError(f"{self._path}, line {line:,}: {what}.")
