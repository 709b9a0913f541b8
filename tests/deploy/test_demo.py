"""What the demo says; `make demo` runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("-h", 0), ("everything", 2)])
def test_an_argument_explains_it_and_runs_nothing(tmp_path: Path, argument: str, code: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.demo", argument],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == code
    assert "`make demo`: the whole path on a small scale" in ended.stderr
    assert not list(tmp_path.iterdir())


def said(source: str, folder: Path) -> str:
    """What the demo shows of commands that it runs in this folder."""
    (folder / ".demo").mkdir()
    return subprocess.run(
        [sys.executable, "-c", f"from deploy.demo_commands import run; {source}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stderr


@pytest.mark.usefixtures("database_url", "broker_url")
def test_what_a_command_says_last_is_shown_last(tmp_path: Path) -> None:
    """The list that the doctor prints goes before its advice, which is on standard error."""
    shown = said("run('enrichment', 'doctor')", tmp_path)
    assert shown.index("$ enrichment doctor") < shown.index("subject") < shown.index("warning: ")


@pytest.mark.usefixtures("database_url")
def test_what_is_left_aside_stands_in_the_log(tmp_path: Path) -> None:
    shown = said("run('trainer', 'models', 'list')", tmp_path)
    assert "There are no models yet." in shown
    assert "Next: " not in shown
    assert "Next: trainer promote EXPERIMENT" in (tmp_path / ".demo" / "demo.log").read_text()


@pytest.mark.usefixtures("database_url")
def test_an_error_is_shown_of_a_command_of_which_nothing_else_is(tmp_path: Path) -> None:
    shown = said("run('trainer', 'models', 'show', 'none', is_told=False)", tmp_path)
    assert "error: There is no model none; there are no models yet." in shown
    assert "EnrichmentError: trainer ended with exit code 2" in shown
