"""Excel files: what their cells say, and files that harm."""

import io
from datetime import datetime
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl
import pytest

from common.errors import UsageError
from harvester.tables import spreadsheet
from harvester.tables.rows import read_rows


def saved(folder: Path, *rows: tuple[object, ...]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(folder / "t.xlsx")
    return folder / "t.xlsx"


def with_part(table: Path, name: str, content: bytes) -> None:
    """Replace a part of the file."""
    with ZipFile(table) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    with ZipFile(table, "w", ZIP_DEFLATED) as archive:
        for each, data in (parts | {name: content}).items():
            archive.writestr(each, data)


def test_cells_read_as_a_table_in_csv_has_them(tmp_path):
    day = datetime(2026, 1, 2)
    table = saved(tmp_path, (1.0, 2.5, True, None, "'=x", day), (None,), ("ü",), (None, None))
    assert [(row.line, row.cells) for row in read_rows(table)] == [
        (1, ("1", "2.5", "TRUE", "", "=x", "2026-01-02")),
        (2, ()),
        (3, ("ü",)),
    ]


@pytest.mark.parametrize(
    ("part", "content", "message"),
    [
        ("xl/workbook.xml", b"<workbook", "the Excel file is damaged"),
        ("xl/sharedStrings.xml", b" " * (201 << 20), "is too large for an Excel file"),
        (
            "xl/worksheets/sheet1.xml",
            b"<worksheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'>"
            b"<sheetData><row r='999999999'><c r='A999999999'><v>1</v></c></row></sheetData>"
            b"</worksheet>",
            "has more than 1,000 rows",
        ),
    ],
)
def test_a_damaged_or_harmful_file_is_refused(tmp_path, monkeypatch, part, content, message):
    monkeypatch.setattr(spreadsheet, "_MAX_ROWS", 1_000)
    table = saved(tmp_path, ("ID",))
    with_part(table, part, content)
    with pytest.raises(UsageError, match=message):
        list(read_rows(table))


def test_a_row_that_is_too_long_is_named(tmp_path):
    table = saved(tmp_path, ("ID",), tuple("x" * 30_000 for _ in range(4)))
    with pytest.raises(UsageError, match="line 2: the row has over 100,000 characters"):
        list(read_rows(table))


def test_a_pipe_holds_no_spreadsheet(tmp_path):
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(UsageError, match="Give the path of the Excel file"):
        next(spreadsheet.read_sheet(Path("t.xlsx"), Pipe(b"PK\x03\x04")))
