"""Rows of files that were made by hand: whole, broken and harmful ones."""

import os
import tracemalloc
from pathlib import Path

import pytest

from common.errors import UsageError
from harvester.tables.fates import judge_rows
from harvester.tables.rows import read_rows
from tests.harvester.tables.judged import VOCABULARY, fates, found


def test_rows_are_numbered_by_the_line_on_which_they_begin(tmp_path):
    table = 'ID,category,remark\n/1/a,map,"broken\nover\nlines"\n\n/1/b,map\n,,,\n/1/c,map,,,x\n'
    told = [(row.line, found(row)) for row in fates(tmp_path, table)]
    assert told == [
        (2, ("taken",)),
        (5, ("rejected", " empty row")),
        (6, ("taken",)),
        (7, ("rejected", " empty row")),
        (8, ("rejected", " too many cells")),
    ]


def test_a_row_with_broken_quotes_costs_no_other_row(tmp_path):
    table = 'ID,category\n/1/a,map\n"/1/b"x,map\n/1/c,map\n'
    assert [found(row) for row in fates(tmp_path, table)] == [
        ("taken",),
        ("rejected", " broken quotes"),
        ("taken",),
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "ID or URI must be there"),
        (b"ID|category\n/1/a|map\n", "ID or URI must be there"),
        (b"ID,URL\n/1/a,x\n", "category or skos_conc"),
        (b"ID,id,category\n", "line 1: the column ID is there twice"),
        (b"ID,category\n/1/a,map\n/1/b,\0\n", "line 3: there is a NUL character"),
        (b"ID,category\n/1/a,map\n/1/b,Gem\x81lde\n", "line 3: some bytes are neither UTF-8"),
        ("ID,category\n/1/a,map\n".encode("utf-16"), "line 1: there is a NUL character"),
        (b"\xd0\xcf\x11\xe0" * 9, "is an old Excel file"),
        (b'ID,category\n/1/a,map\n/1/b,"map\n/1/c,map\n', "line 3: the quote that begins here"),
        (b'ID,category\n/1/a,map\n/1/b,"' + b"x\n" * 60_000, "line 3: the row that begins here"),
    ],
)
def test_what_is_no_such_table_or_harmful_is_refused_with_its_line(tmp_path, table, message):
    with pytest.raises(UsageError, match=message):
        fates(tmp_path, table)


def test_a_line_of_a_gigabyte_is_refused_in_bounded_memory(tmp_path):
    path = tmp_path / "table.csv"
    with path.open("wb") as stream:
        stream.write(b"ID,category\n/1/a,map\n")
        stream.truncate(1 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match="line 3: the row that begins here has more than"):
            list(judge_rows(path, VOCABULARY))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.csv cannot be read: No such file"):
        list(judge_rows(tmp_path / "none.csv", VOCABULARY))


def test_a_pipe_is_read_if_the_shell_gave_it_and_else_refused_without_waiting(tmp_path):
    reading, writing = os.pipe()
    os.write(writing, b"ID,category\n/1/a,map\n")
    os.close(writing)
    assert [row.cells[0] for row in read_rows(Path(f"/dev/fd/{reading}"))] == ["ID", "/1/a"]
    os.close(reading)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe cannot be read: it is not a regular file"):
        next(read_rows(tmp_path / "pipe"))


@pytest.mark.parametrize("sign", [";", "\t"])
def test_excel_may_divide_cells_by_semicolons_or_tabs(tmp_path, sign):
    text = f'ID{sign}category{sign}"a,b,c,d"\n/1/a{sign}map, chart{sign}"x{sign}y"\n'
    (tmp_path / "t.csv").write_bytes(("\ufeff" + text.replace("\n", "\r\n")).encode())
    assert [row.cells for row in read_rows(tmp_path / "t.csv")] == [
        ("ID", "category", "a,b,c,d"),
        ("/1/a", "map, chart", f"x{sign}y"),
    ]


def test_a_line_of_latin_1_is_read_and_named(tmp_path):
    table = "ID,category,remark\n/1/a,map,ü\n".encode() + "/1/b,map,„ü“\n".encode("cp1252")
    (tmp_path / "t.csv").write_bytes(table)
    assert [(row.cells[-1], row.is_recoded) for row in read_rows(tmp_path / "t.csv")] == [
        ("remark", False), ("ü", False), ("„ü“", True),
    ]  # fmt: skip
    assert [found(row) for row in fates(tmp_path, table)] == [
        ("taken",),
        ("repaired", " not UTF-8"),
    ]
