"""`make demo` beside that of an earlier commit: seconds of its installation and of its run.

    python -m benchmarks.demo --before COMMIT [--pairs 3]

Each side begins with an empty checkout. What its first demo takes longer than its second is its
installation, which depends on the package index as well.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.parts.report import at_most, finish
from benchmarks.parts.rounds import Rounds

REPOSITORY = Path(__file__).resolve().parents[1]
BARS = {"installation_ratio": at_most(0.6), "run_ratio": at_most(0.5)}


def main(
    before: Annotated[str, typer.Option(metavar="COMMIT")],
    pairs: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Measure, print the figures, and fail where a bar is missed."""
    rounds = Rounds()
    for _ in range(pairs):
        for side, commit in (("before", before), ("now", "HEAD")):
            with _checkout(commit) as folder:
                first, second = _seconds(folder), _seconds(folder)
            rounds.add(f"installation_{side}", first - second)
            rounds.add(f"run_{side}", second)
        for part in ("installation", "run"):
            rounds.ratio(f"{part}_ratio", above=f"{part}_now", below=f"{part}_before")
    finish(figures=rounds.figures(), bars=BARS)


@contextmanager
def _checkout(commit: str) -> Iterator[Path]:
    git = ("git", "-C", str(REPOSITORY), "worktree")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "checkout"
        subprocess.run([*git, "add", "--quiet", "--detach", folder, commit], check=True)
        try:
            yield folder
        finally:
            subprocess.run([*git, "remove", "--force", folder], check=True)


def _seconds(folder: Path) -> float:
    started = time.monotonic()
    subprocess.run(["make", "demo"], cwd=folder, capture_output=True, check=True)
    return time.monotonic() - started


if __name__ == "__main__":
    typer.run(main)
