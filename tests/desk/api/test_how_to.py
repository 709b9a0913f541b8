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
from tests.waiting import wait_for

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


OF_PROGRAM = "SELECT id FROM job WHERE idempotency_key LIKE '%program-1'"


def finish_job_of_program(museum: Museum) -> None:
    """Do what a worker does when it knows the pictures."""
    museum.execute(
        "UPDATE job_chunk SET state = 'done', settled_at = now(), enriched = 2"
        f" WHERE job_id = ({OF_PROGRAM})"
    )
    museum.execute(f"UPDATE job SET state = 'done', finished_at = now() WHERE id = ({OF_PROGRAM})")


@pytest.mark.usefixtures("filled")
def test_the_examples_run(museum: Museum, desk: ServedDesk, tmp_path: Path) -> None:
    output = tmp_path / "output.txt"
    with (
        output.open("w") as file,
        subprocess.Popen(
            ["bash", "-c", script(desk)],
            cwd=tmp_path,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "no_proxy": "*"},
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as running,
    ):
        wait_for(lambda: museum.rows(OF_PROGRAM) or running.poll() is not None)
        finish_job_of_program(museum)
        status = running.wait()
    shown = output.read_text()
    assert status == 0, shown
    for told in ('"total":6', '"state":"paused"', '"state":"running"', "AnnotationPage"):
        assert told in shown
    assert len(re.findall(r"^/1/r0[01] http\S+ 0\.\d+$", shown, re.MULTILINE)) == 2
    states = museum.rows("SELECT state, total FROM job WHERE name = 'tuesday'")
    assert states == [("running", 3)]
