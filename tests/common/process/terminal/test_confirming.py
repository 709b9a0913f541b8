"""A question before something is removed: asked at a terminal only."""

import os
import pty
import subprocess
import sys

import pytest

ASK = """
from common.process.terminal.command import program
from common.process.terminal.confirming import confirm
app = program("Asks.", {})
@app.command()
def remove() -> None:
    confirm("Remove it?")
    print("removed")
@app.command()
def other() -> None: ...
app(["remove"])
"""


def asked(stdin: int) -> tuple[int, str, str]:
    """The exit code and what the program says."""
    ended = subprocess.run(
        [sys.executable, "-c", ASK], stdin=stdin, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout.strip(), ended.stderr


def answered(answer: bytes) -> tuple[int, str, str]:
    """The program at a terminal at which somebody types."""
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    try:
        return asked(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_yes_goes_on() -> None:
    code, shown, _ = answered(b"y\n")
    assert (code, shown) == (0, "removed")


@pytest.mark.parametrize("answer", [b"n\n", b"\n"])
def test_anything_else_stops(answer: bytes) -> None:
    code, shown, told = answered(answer)
    assert (code, shown) == (1, "")
    assert "error: You did not confirm, so no data was removed." in told


def test_where_nobody_can_be_asked_nothing_is_done() -> None:
    code, shown, told = asked(subprocess.DEVNULL)
    assert (code, shown) == (2, "")
    assert "confirm with --yes" in told
