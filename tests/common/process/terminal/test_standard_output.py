"""Outputs that cannot be written, of real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.process.terminal.command import give_up_output

PROGRAM = """
import sys
from common.process.terminal.command import command_group

app = command_group("Prints.")

@app.command()
def few() -> None:
    print("a line")

@app.command()
def many() -> None:
    for _ in range(100_000):
        print("a line")

app()
"""


def printing(*arguments: str, shell: str) -> subprocess.CompletedProcess[str]:
    """What a program says that prints to where `shell` sends it."""
    command = ["bash", "-o", "pipefail", "-c", f'"$0" "$@" {shell}']
    program = [sys.executable, "-c", PROGRAM, *arguments]
    known = os.environ | {"LC_ALL": "C.UTF-8"}  # bash warns of a locale that is not installed
    return subprocess.run(
        [*command, *program], capture_output=True, text=True, check=False, env=known
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["few"], ["many"], ["--help"], ["few", "--help"]])
def test_a_full_disk_is_told_in_a_sentence(arguments: list[str]) -> None:
    done = printing(*arguments, shell="> /dev/full")
    told = "error: The output cannot be written, since its disk is full. Make room there.\n"
    assert (done.returncode, done.stderr) == (1, told)


def test_a_command_whose_reader_went_away_ends_without_a_word() -> None:
    done = printing("many", shell="| true")
    assert (done.returncode, done.stderr) == (1, "")


def test_an_output_that_is_closed_is_no_trouble() -> None:
    done = printing("few", shell=">&-")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_trouble_of_another_file_stays() -> None:
    error = OSError(28, "No space left on device", "/a/file")
    with pytest.raises(OSError, match="/a/file"):
        give_up_output(error)
