"""The rows of the first sheet of an Excel file (.xlsx), read one at a time.

Formulas count by the value that Excel computed last.
Only the first visible sheet is read. Each other sheet with content becomes a row with a problem.
"""

import datetime
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile
from zlib import error as zlib_error

from common.errors import UsageError
from harvester.tables.table_row import MAX_ROW, TableRow

SPREADSHEET = b"PK\x03\x04"  # a zip file, as .xlsx is
OLD_SPREADSHEET = b"\xd0\xcf\x11\xe0"  # .xls

_MAX_ROWS = 1_048_576  # Excel's own limit; a row number may be larger in a harmful file
_MAX_IN_MEMORY = 200 << 20  # bytes, unpacked: openpyxl reads all parts but the sheets at once
_MAX_UNPACKED = 4 << 30
_LOOK_FOR_CONTENT = 100  # rows of another sheet
_DAMAGED = (
    *(BadZipFile, zlib_error, SyntaxError, EOFError),  # XML: SyntaxError
    *(KeyError, ValueError, TypeError, IndexError, AttributeError, RuntimeError, OverflowError),
)


def read_sheet(path: Path, content: BinaryIO) -> Iterator[TableRow]:
    """The rows of the first sheet, header included, without empty rows at the end.

    Raises:
        UsageError: the file is damaged, has no sheet, is too large, or came through a pipe; names
            the row, if there is one.
    """
    if not content.seekable():
        raise UsageError(f"{path} is an Excel file from a pipe. Give the path of the Excel file.")
    line = 0
    try:
        _check_size(path, content)
        first, others = _sheets(path, content)
        for row in _until_last(_rows(path, first)):
            line = row.line
            yield row
        for sheet in others:
            line += 1
            problem = f"{sheet.title!r}; only {first.title!r}, the first sheet, is read"
            yield TableRow(line, (), ("sheet not read", problem))
    except _DAMAGED as error:
        where = f", line {line + 1:,}" if line else ""
        raise UsageError(
            f"{path}{where}: the Excel file is damaged: {error}. Open it in Excel and save it "
            "again."
        ) from error


def _check_size(path: Path, content: BinaryIO) -> None:
    """The sizes that the parts name hold, because zipfile unpacks no more than these."""
    with ZipFile(content) as parts:
        sizes = [(each.filename, each.file_size) for each in parts.infolist()]
    in_memory = sum(size for name, size in sizes if "/worksheets/" not in name)
    if in_memory > _MAX_IN_MEMORY or sum(size for _, size in sizes) > _MAX_UNPACKED:
        raise UsageError(f"{path} is too large for an Excel file. Save it as CSV in UTF-8.")


def _sheets(path: Path, content: BinaryIO) -> tuple[Any, list[Any]]:
    """The first visible sheet, and the others that have content."""
    import openpyxl  # slow to load

    with _quiet():
        book = openpyxl.load_workbook(content, read_only=True, data_only=True, keep_links=False)
        visible = [each for each in book.worksheets if each.sheet_state == "visible"]
        if not visible:
            raise UsageError(f"{path} has no visible sheet.")
        for sheet in visible:
            sheet.reset_dimensions()  # some programs write wrong ones
        return visible[0], [each for each in visible[1:] if _has_content(each)]


def _has_content(sheet: Any) -> bool:
    rows = sheet.iter_rows(max_row=_LOOK_FOR_CONTENT, values_only=True)
    return any(value is not None for row in rows for value in row)


def _rows(path: Path, sheet: Any) -> Iterator[TableRow]:
    values = sheet.iter_rows(values_only=True)
    for line in range(1, _MAX_ROWS + 1):
        with _quiet():
            row = next(values, None)
        if row is None:
            return
        cells = tuple(map(_text, row))
        if sum(map(len, cells)) > MAX_ROW:
            raise UsageError(f"{path}, line {line:,}: the row has over {MAX_ROW:,} characters.")
        yield TableRow(line, cells)
    raise UsageError(f"{path} has more than {_MAX_ROWS:,} rows.")


def _until_last(rows: Iterable[TableRow]) -> Iterator[TableRow]:
    """The rows up to the last one with content: a format may reach to the end of the sheet."""
    empty: list[TableRow] = []
    for row in rows:
        if any(row.cells):
            yield from empty
            empty.clear()
            yield row
        else:
            empty.append(row)


def _text(value: object) -> str:
    """The value as a table in CSV holds it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case float() if value.is_integer():
            return str(int(value))
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
    return str(value).replace("\0", "")


def _quiet() -> "warnings.catch_warnings[None]":
    """openpyxl warns of forms that it does not know, which say nothing about cells."""
    return warnings.catch_warnings(action="ignore")
