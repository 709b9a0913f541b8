"""`make demo` against that of an earlier commit: seconds of installation and of the run.

    python -m benchmarks.demo --before COMMIT [--pairs 3]

Each side begins with an empty checkout. The installation is the time that the first demo takes
longer than the second. It also depends on the package index.
"""

import subprocess
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.parts.report import at_most, finish
from benchmarks.parts.rounds import Rounds
from benchmarks.parts.worktree import worktree

BARS = {"installation_ratio": at_most(0.6), "run_ratio": at_most(0.5)}


def main(
    before: Annotated[str, typer.Option(metavar="COMMIT")],
    pairs: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    rounds = Rounds()
    for _ in range(pairs):
        for side, commit in (("before", before), ("now", "HEAD")):
            with worktree(commit) as folder:
                first, second = _seconds(folder), _seconds(folder)
            rounds.add(f"installation_{side}", first - second)
            rounds.add(f"run_{side}", second)
        for part in ("installation", "run"):
            rounds.ratio(f"{part}_ratio", above=f"{part}_now", below=f"{part}_before")
    finish(figures=rounds.figures(), bars=BARS)


def _seconds(folder: Path) -> float:
    started = time.monotonic()
    subprocess.run(["make", "demo"], cwd=folder, capture_output=True, check=True)
    return time.monotonic() - started


if __name__ == "__main__":
    typer.run(main)
