"""How long the HTTP API takes.

    python -m benchmarks.api [--ids 1000000]

Submissions: one client submits a million record IDs, as text and as JSON.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.parts.report import finish
from benchmarks.parts.services import store_and_broker
from benchmarks.parts.submit_clients import submission_bars, submission_figures


def main(
    ids: Annotated[int, typer.Option(min=1_000, help="That a client submits.")] = 1_000_000,
) -> None:
    with tempfile.TemporaryDirectory() as name, store_and_broker() as engine:
        figures = submission_figures(engine, Path(name), ids=ids)
    finish(figures=figures, bars=submission_bars(ids))


if __name__ == "__main__":
    typer.run(main)
