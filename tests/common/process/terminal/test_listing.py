"""Lists fit the terminal: a table, or blocks; and through a pipe each row is one line."""

import io

import pytest

from common.process.terminal.console import SafeConsole
from common.process.terminal.listing import Listing


def listing() -> Listing:
    made = Listing("job", "records", "submitter", numbers={"records"}, texts={"submitter"})
    made.add("0b7f4c0e-6d0c-4a7e-9d0e-2f1f0a1c9b52", "1,000", "the nightly import of metis")
    made.add("1b7f4c0e-6d0c-4a7e-9d0e-2f1f0a1c9b52", "12", "")
    return made


def lines(width: int) -> list[str]:
    written = io.StringIO()
    SafeConsole(file=written, width=width, color_system=None).print(listing())
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_a_wide_terminal_shows_a_table() -> None:
    shown = lines(100)
    assert shown[0].split() == ["job", "records", "submitter"]
    assert len(shown) == 3
    assert "  1,000  the nightly" in shown[1]


def test_words_are_folded_before_the_table_is_given_up() -> None:
    shown = lines(66)
    assert shown[0].split() == ["job", "records", "submitter"]
    assert "0b7f4c0e-6d0c-4a7e-9d0e-2f1f0a1c9b52" in shown[1]
    assert len(shown) == 4


def test_a_narrow_terminal_shows_a_block_for_each_row() -> None:
    shown = lines(50)
    assert shown == [
        "job        0b7f4c0e-6d0c-4a7e-9d0e-2f1f0a1c9b52",
        "records    1,000",
        "submitter  the nightly import of metis",
        "",
        "job        1b7f4c0e-6d0c-4a7e-9d0e-2f1f0a1c9b52",
        "records    12",
    ]


def test_a_pipe_gets_each_row_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    made = listing()
    made.add("2b7f4c0e-6d0c-4a7e-9d0e-2f1f0a1c9b52", "1", "long " * 100)
    made.print()
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert "\x1b" not in capsys.readouterr().out


def test_control_characters_of_strangers_are_shown_as_such(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = Listing("name")
    made.add("\x1b[2Jgone")
    made.print()
    assert "\x1b" not in capsys.readouterr().out


def test_a_block_loses_no_part_of_a_text_with_control_characters() -> None:
    listing = Listing("name")
    listing.add("\x1b[2J" * 10 + "end")
    console = SafeConsole(width=20, file=io.StringIO(), highlight=False)
    console.print(listing)
    assert console.file.getvalue().rstrip().endswith("end")
