"""Strangers' text: no formula in a table, no order to a terminal."""

import pytest
from hypothesis import given
from hypothesis.strategies import text

from common.process.foreign_text import guard_cell, guard_row, unguard_cell, visible

FORMULAS = [
    '=HYPERLINK("http://evil.example")', "+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "＝1+1", "'=1+1",
]  # fmt: skip


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_becomes_a_text(formula: str) -> None:
    assert guard_cell(formula) == f"'{formula}"


@pytest.mark.parametrize("cell", ["-1.5", "+1e-07", "-inf", "1", "", "a=b", "'tis", "/1/a", "é"])
def test_other_cells_and_numbers_stay_as_they_are(cell: str) -> None:
    assert guard_cell(cell) == cell
    assert unguard_cell(cell) == cell


def test_what_is_no_text_stays_as_it_is() -> None:
    assert guard_row([-1.5, None, 3, "=x"]) == [-1.5, None, 3, "'=x"]


@given(text(alphabet="'=+-@\t\r\n 1.e＝a", max_size=8) | text())
def test_every_text_comes_back(cell: str) -> None:
    assert unguard_cell(str(guard_cell(cell))) == cell


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J\x7f\r\b", r"\x9b2J\x7f\x0d\x08"),
        ("gpj.\u202etxt", r"gpj.\u202etxt"),
        ("half \ud800", r"half \ud800"),
        ("two\n\tlines, é 日本", "two\n\tlines, é 日本"),
    ],
)
def test_control_characters_are_written_out(given_text: str, shown: str) -> None:
    assert visible(given_text) == shown
