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


@pytest.mark.usefixtures("database_url", "broker_url")
def test_what_a_command_says_last_is_shown_last(tmp_path: Path) -> None:
    """The list that the doctor prints goes before its advice, which is on standard error."""
    shown = subprocess.run(
        [sys.executable, "-c", "from deploy.demo import _run; _run('enrichment', 'doctor')"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stderr
    assert shown.index("$ enrichment doctor") < shown.index("subject") < shown.index("warning: ")
