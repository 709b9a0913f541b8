"""How long the HTTP API takes.

    python -m benchmarks.api [--part suggestions] [--seconds 60] [--ids 1000000]

Suggestions: ten clients ask as Annif does, one request a second each, first for pictures that the
encoder has seen, then for new ones of 3 megapixels whose hosts answer after 100 ms. Between the
two the same clients fetch the new pictures alone, at the same pace.

Submissions: one client submits a million record IDs, as text and as JSON.
"""

import tempfile
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from benchmarks.parts.report import Bar, finish
from benchmarks.parts.services import store_and_broker
from benchmarks.parts.submit_clients import submission_bars, submission_figures
from benchmarks.parts.suggest_clients import SUGGESTION_BARS, suggestion_figures


class ApiPart(StrEnum):
    SUGGESTIONS = "suggestions"
    SUBMISSIONS = "submissions"


def measured_alone(measure: Callable[[Engine, Path], dict[str, float]]) -> dict[str, float]:
    """The figures of a part, in a store and a folder of its own."""
    with tempfile.TemporaryDirectory() as name, store_and_broker() as engine:
        return measure(engine, Path(name))


def main(
    part: Annotated[ApiPart | None, typer.Option(help="Measure this alone.")] = None,
    seconds: Annotated[float, typer.Option(min=5, help="Duration of each kind of request.")] = 60.0,
    ids: Annotated[int, typer.Option(min=1_000, help="That a client submits.")] = 1_000_000,
) -> None:
    figures: dict[str, float] = {}
    bars: dict[str, Bar] = {}
    if part in (None, ApiPart.SUGGESTIONS):
        figures |= measured_alone(lambda store, at: suggestion_figures(store, at, seconds=seconds))
        bars |= SUGGESTION_BARS
    if part in (None, ApiPart.SUBMISSIONS):
        figures |= measured_alone(lambda store, at: submission_figures(store, at, ids=ids))
        bars |= submission_bars(ids)
    finish(figures=figures, bars=bars)


if __name__ == "__main__":
    typer.run(main)
