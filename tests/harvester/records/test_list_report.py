"""The report on a list, from which a later run continues."""

import csv
import os
from pathlib import Path

import pytest

from common.errors import UsageError
from harvester.records.list_report import LineFate, ListReport

FORMULA = '=HYPERLINK("http://evil.example";"click")'
FATES = [
    LineFate(1, "/1/a", "/1/a", "labelled"),
    LineFate(2, 'odd, "text"\n', "", "rejected", "no record ID"),
    LineFate(3, FORMULA, "", "rejected", f"no record ID in {FORMULA}"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "report.csv"


def test_rows_come_back_as_they_were_written(path):
    ListReport(path).append(FATES)
    assert list(ListReport(path).fates()) == FATES


def test_no_cell_is_a_formula_for_a_spreadsheet(path):
    ListReport(path).append(FATES)
    with path.open(newline="") as stream:
        assert not any(cell.startswith("=") for row in csv.reader(stream) for cell in row)


def test_a_row_that_a_crash_cut_short_is_removed(path):
    ListReport(path).append(FATES[:1])
    with path.open("a") as stream:
        stream.write("2,/1/b,/1")
    report = ListReport(path)
    assert list(report.fates()) == FATES[:1]
    report.append(FATES[1:])
    assert list(report.fates()) == FATES


def test_what_is_no_file_is_refused_without_waiting(path):
    os.mkfifo(path)
    with pytest.raises(UsageError, match="cannot be written: it is not a regular file"):
        ListReport(path)


def test_another_file_is_refused_and_left_alone(path):
    path.write_text("something else\n")
    with pytest.raises(UsageError, match="line 1, is not from the report"):
        list(ListReport(path).fates())
    assert path.read_text() == "something else\n"


def test_a_report_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"The report .*none/report\.csv cannot be written"):
        ListReport(tmp_path / "none" / "report.csv")
