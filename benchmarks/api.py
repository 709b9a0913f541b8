"""How long the HTTP API takes.

    python -m benchmarks.api [--seconds 60]

Suggestions: ten clients ask as Annif does, one request a second each, first for pictures that the
encoder has seen, then for new ones of 3 megapixels whose hosts answer after 100 ms. Between the
two the same clients fetch the new pictures alone, at the same pace.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.parts.report import finish
from benchmarks.parts.services import store_and_broker
from benchmarks.parts.suggest_clients import SUGGESTION_BARS, suggestion_figures


def main(
    seconds: Annotated[float, typer.Option(min=5, help="Duration of each kind of request.")] = 60.0,
) -> None:
    with tempfile.TemporaryDirectory() as name, store_and_broker() as engine:
        figures = suggestion_figures(engine, Path(name), seconds=seconds)
    finish(figures=figures, bars=SUGGESTION_BARS)


if __name__ == "__main__":
    typer.run(main)
