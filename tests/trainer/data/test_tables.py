"""Tables of an experiment, whole and damaged."""

from pathlib import Path

import pytest

from common.errors import ModelError
from trainer.data.tables import parsing, read_records, read_table, write_table

FORMULA = '=HYPERLINK("http://evil.example")'
ROWS = [["example", "reason"], ["a,b", 'said "no"'], ["line\nbreak", "é"], [FORMULA, "-1.5"]]


def test_a_table_comes_back(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", ROWS)
    assert read_table(tmp_path / "table.csv") == ROWS
    assert read_records(tmp_path / "table.csv")[0] == {"example": "a,b", "reason": 'said "no"'}


def test_no_cell_is_a_formula_for_a_spreadsheet(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", ROWS)
    assert f"'{FORMULA}" in (tmp_path / "table.csv").read_text().replace('""', '"')
    assert ",-1.5" in (tmp_path / "table.csv").read_text()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"a,b\n1,2\n3\n", "row 3 is not as long as the header"),
        (b"a,b\n\xff,2\n", "can't decode"),
    ],
)
def test_damage_is_said(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "table.csv").write_bytes(content)
    with (
        pytest.raises(ModelError, match=rf"table\.csv is damaged: .*{reason}.*\.$") as error,
        parsing(tmp_path / "table.csv") as path,
    ):
        read_table(path)
    assert isinstance(error.value.__cause__, ValueError)


def test_a_missing_file_and_one_that_cannot_be_read_are_told_apart(tmp_path: Path) -> None:
    with (
        pytest.raises(ModelError, match="the experiment is not finished"),
        parsing(tmp_path / "table.csv") as path,
    ):
        read_table(path)
    with pytest.raises(ModelError, match="cannot be read"), parsing(tmp_path) as path:
        read_table(path)


def test_an_error_of_the_program_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(TypeError), parsing(tmp_path):
        raise TypeError
