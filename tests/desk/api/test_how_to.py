"""The examples of docs/how-to/api.md run as they are written."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.desk.museum import Museum
from tests.desk.served import ServedDesk

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "how-to" / "api.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"```(console|python)\n(.*?)```", re.DOTALL)


def script(desk: ServedDesk) -> str:
    """All examples as one script, for this desk."""
    run_desk = f"{shlex.quote(sys.executable)} -c 'from desk.cli import main; main()'"
    lines = ["set -eu", f'desk() {{ {run_desk} "$@"; }}']
    for language, text in EXAMPLE.findall(PAGE):
        is_shell = language == "console"
        lines.append(text if is_shell else f"{shlex.quote(sys.executable)} - <<'END'\n{text}END")
    return "\n".join(lines).replace("http://127.0.0.1:8000", desk.url)


@pytest.mark.usefixtures("filled")
def test_the_examples_run(museum: Museum, desk: ServedDesk, tmp_path: Path) -> None:
    ended = subprocess.run(
        ["bash", "-c", script(desk)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "no_proxy": "*"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for told in ('"total":6', '"state":"paused"', '"state":"running"', "AnnotationPage"):
        assert told in ended.stdout
    states = museum.rows("SELECT state, total FROM job WHERE name = 'tuesday'")
    assert states == [("running", 3)]
