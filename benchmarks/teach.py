"""Teaching: the gain from fifty and a hundred verdicts for a museum that the model has not seen.

    python -m benchmarks.teach [--draws 30]

It needs ../shared, which is not part of the repository.

Each of three museums in turn is the unseen one: heads on a MobileNetV2 learn from the other two.
Verdicts are simulated from the labels of its catalogue: right, or wrong with the right concept.
They are saved in a real store as by the desk, and heads are retrained as by the teacher. `chosen`
are the records that the desk shows next, ten at a time; `random` are random ones. Each draw takes
both from nine tenths of the museum's records. Accuracies are on all records of the museum that were
not judged. `beyond` is chosen minus random on the records that neither has judged, since the two
leave different records.

The labels are keywords and sometimes wrong, which limits the accuracies. The grid of weights was
chosen on these museums, so the figures are a little too good.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

from benchmarks.parts.museums import MuseumStore, museum_store
from benchmarks.parts.photographs import missing
from benchmarks.parts.report import at_least, at_most, finish
from benchmarks.parts.simulated_verdicts import COUNTS, TaughtAccuracies, draw
from benchmarks.parts.teaching_page import page_seconds


def accuracies(place: MuseumStore, draws: int) -> dict[str, Any]:
    starts, by_museum = {}, {}
    for museum in place.museums:
        said = museum.base.heads.probabilities(museum.embeddings).argmax(axis=1)
        starts[museum.name] = float((said == museum.labels).mean())
        runs = [draw(place, museum, seed) for seed in range(draws)]
        by_museum[museum.name] = _means(runs)
        sys.stderr.write(f"{museum.name}: {starts[museum.name]:.4f} {by_museum[museum.name]}\n")
    names = next(iter(by_museum.values()))
    return {
        "start": round(fmean(starts.values()), 4),
        **{name: round(fmean(each[name] for each in by_museum.values()), 4) for name in names},
        "by_museum": {
            name: {"start": round(starts[name], 4), **means} for name, means in by_museum.items()
        },
    }


def _means(runs: Sequence[Mapping[str, TaughtAccuracies]]) -> dict[str, float]:
    found = {}
    for count in COUNTS:
        for name in ("chosen", "random"):
            found[f"{name}_{count}"] = fmean(run[name][count].on_others for run in runs)
        found[f"beyond_{count}"] = fmean(
            run["chosen"][count].beyond(run["random"][count]) for run in runs
        )
    return {name: round(mean, 4) for name, mean in found.items()}


def main(
    draws: Annotated[int, typer.Option(min=1, help="Draws of verdicts, for each museum.")] = 30,
) -> None:
    if absent := missing():
        typer.echo(f"skipped: there is no {absent}")
        return
    with tempfile.TemporaryDirectory() as name, museum_store(Path(name)) as place:
        figures = accuracies(place, draws)
        figures["page_seconds_at_5000"] = round(page_seconds(place, Path(name)), 3)
    bars = {"random_50": at_least(0.71), "random_100": at_least(0.735)}
    bars |= {"beyond_50": at_least(0.025), "beyond_100": at_least(0.02)}
    bars |= {"page_seconds_at_5000": at_most(0.3)}
    finish(figures={"draws": draws} | figures, bars=bars)


if __name__ == "__main__":
    typer.run(main)
