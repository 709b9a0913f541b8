import pytest

from common.process.terminal.counting import counted


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0 records"), (1, "1 record"), (2, "2 records"), (2000, "2,000 records")],
)
def test_one_is_singular(number: int, expected: str) -> None:
    assert counted(number, "record") == expected


def test_a_plural_may_be_given() -> None:
    assert counted(1, "has", "have") == "1 has"
    assert counted(3, "has", "have") == "3 have"
