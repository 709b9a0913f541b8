"""What the demo says of itself; `make demo` runs it."""

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
