"""Results go to standard output, hints and warnings beside them."""

import pytest

from common.process.terminal.listing import Listing
from trainer.commands.printing import hint, print_line, print_listing, warn


def test_only_results_are_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    listing = Listing("name")
    listing.add("small")
    print_line("In service: small")
    print_listing("Models", listing)
    warn("files are missing")
    hint("To undo it: trainer models back")
    found = capsys.readouterr()
    assert found.out.splitlines() == ["In service: small", "", "Models", "name", "small", ""]
    assert found.err == "WARNING: files are missing\nTo undo it: trainer models back\n"


def test_a_long_line_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("word " * 100)
    warn("word " * 100)
    found = capsys.readouterr()
    assert (found.out.count("\n"), found.err.count("\n")) == (1, 1)
